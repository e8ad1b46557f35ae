#include "wrapper.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <algorithm>
#include <mutex>

namespace pgcairn::storage {

namespace {

using std::chrono::microseconds;

/// What one direction owes: bytes cost time, time pays. Counted as a debt, not as a moment, so that
/// a clock that is set back delays nothing.
class Budget {
 public:
  Budget(std::uint64_t bytes_per_second, Clock& clock)
      : rate_(bytes_per_second), clock_(clock), last_(clock.now()) {}

  /// What does not wait costs the others the time.
  void spend(std::uint64_t size_bytes, bool waits, const std::stop_token& stop) {
    if (size_bytes == 0) return;
    const milliseconds wait = std::chrono::ceil<milliseconds>(add(size_bytes));
    if (waits) clock_.sleep(wait, stop);
  }

 private:
  microseconds add(std::uint64_t size_bytes) {
    std::lock_guard lock(mutex_);
    const Timestamp moment = clock_.now();
    const microseconds paid = std::max(microseconds(0), moment - last_);
    last_ = moment;
    debt_ = std::max(microseconds(0), debt_ - paid) + cost(size_bytes);
    return debt_;
  }

  microseconds cost(std::uint64_t size_bytes) const {
    // In two parts, so that nothing overflows.
    return std::chrono::seconds(size_bytes / rate_) +
           microseconds(size_bytes % rate_ * 1'000'000 / rate_);
  }

  std::uint64_t rate_;
  Clock& clock_;
  std::mutex mutex_;
  Timestamp last_;
  microseconds debt_{0};
};

class Throttle final : public Wrapper {
 public:
  Throttle(std::unique_ptr<Driver> inner, std::uint64_t bytes_per_second,
           std::function<bool(std::string_view)> is_urgent, std::stop_token stop, Clock& clock)
      : Wrapper(std::move(inner)),
        is_urgent_(std::move(is_urgent)),
        stop_(std::move(stop)),
        sent_(bytes_per_second, clock),
        received_(bytes_per_second, clock) {}

  bool put(std::string_view key, Bytes body, IfExists if_exists) override {
    sent_.spend(body.size(), waits(key), stop_);
    return inner_->put(key, body, if_exists);
  }
  bool get(std::string_view key, Range range, Buffer& out) override {
    const bool found = inner_->get(key, range, out);
    if (found) received_.spend(out.size(), waits(key), stop_);
    return found;
  }

 private:
  bool waits(std::string_view key) const { return !is_urgent_ || !is_urgent_(key); }

  std::function<bool(std::string_view)> is_urgent_;
  std::stop_token stop_;
  Budget sent_;
  Budget received_;
};

}  // namespace

std::unique_ptr<Driver> with_throttle(std::unique_ptr<Driver> inner, std::uint64_t bytes_per_second,
                                      std::stop_token stop,
                                      std::function<bool(std::string_view)> is_urgent,
                                      Clock& clock) {
  if (bytes_per_second == 0) return inner;
  return std::make_unique<Throttle>(std::move(inner), bytes_per_second, std::move(is_urgent),
                                    std::move(stop), clock);
}

}  // namespace pgcairn::storage
