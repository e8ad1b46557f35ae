#include "throttled_error.hpp"
#include "wrapper.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <random>

namespace pgcairn::storage {

milliseconds retry_delay(const RetryPolicy& policy, unsigned attempt, double jitter) {
  PGCAIRN_ASSERT(attempt >= 1);
  milliseconds delay = std::min(policy.first_delay, policy.longest_delay);
  for (unsigned i = 1; i < attempt && delay < policy.longest_delay; ++i) {
    delay = std::min(delay * 2, policy.longest_delay);
  }
  const milliseconds sure = delay / 2;
  return sure + milliseconds(static_cast<milliseconds::rep>(
                    static_cast<double>((delay - sure).count()) * jitter));
}

namespace {

double random_jitter() {
  thread_local std::minstd_rand source = [] {
    std::uint32_t seed = 0;
    fill_random(std::as_writable_bytes(std::span(&seed, 1)));
    return std::minstd_rand(seed);
  }();
  return std::uniform_real_distribution<double>(0, 1)(source);
}

// A wait that somebody who looks on would ask about.
constexpr milliseconds kLongWait{5'000};

/// What the calls to one store know of each other.
struct Waits {
  std::atomic<bool> told = false;     // was it said that the store has to be waited for?
  std::atomic<bool> in_vain = false;  // has a call waited to its end, and none succeeded since?
};

/// The attempts of one call. After one that waited in vain there is a single one: a store that is
/// down costs a run its patience once, not with each object.
class Attempts {
 public:
  Attempts(const RetryPolicy& policy, std::stop_token stop, Clock& clock, Waits& waits)
      : policy_(policy),
        stop_(std::move(stop)),
        clock_(clock),
        waits_(waits),
        began_(clock.now()),
        once_(waits.in_vain) {}

  /// Runs `action`, again after each TransientError while there is time. A stop ends the waiting,
  /// never the first attempt: who was stopped still has a lease to give back.
  template <class Action>
  decltype(auto) run(Action&& action) {
    for (;;) {
      try {
        return action();
      } catch (TransientError& error) {
        wait_or_give_up(error);
      }
    }
  }
  ~Attempts() {
    if (!gave_up_) waits_.in_vain = false;         // an error that cannot pass is an answer, too
    if (slept_ >= kLongWait) waits_.told = false;  // the next wait is told anew
  }
  Attempts(const Attempts&) = delete;
  Attempts& operator=(const Attempts&) = delete;
  bool repeated() const { return failed_ > 0; }

 private:
  /// Called while `error` is being handled: throws it on when time is up.
  void wait_or_give_up(TransientError& error) {
    ++failed_;
    // The clock may be set while we wait; the delays that we slept are certain.
    const milliseconds elapsed =
        std::max(slept_, std::chrono::floor<milliseconds>(clock_.now() - began_));
    gave_up_ = once_ || elapsed >= policy_.deadline;
    if (once_) throw;
    if (gave_up_) {
      waits_.in_vain = true;
      error.add_context(
          format("trying {} times in {}", failed_, format_duration(policy_.deadline)));
      throw;
    }
    // The last attempt is made when the deadline is reached, not before it.
    milliseconds delay = retry_delay(policy_, failed_, random_jitter());
    if (const auto* busy = dynamic_cast<const ThrottledError*>(&error))
      delay = std::max(delay, busy->retry_after());
    delay = std::min(delay, policy_.deadline - elapsed);
    if (waits_.told.exchange(true)) {
      log_detail(format("{}; trying again in {}", error.message(), format_duration(delay)));
    } else {
      log_warn(format("{}; trying again for up to {}", error.message(),
                      format_duration(policy_.deadline - elapsed)));
    }
    // A delay of nothing would make a loop that a deadline cannot end.
    slept_ += std::max(delay, milliseconds(1));
    clock_.sleep(std::max(delay, milliseconds(1)), stop_);
  }

  const RetryPolicy& policy_;
  std::stop_token stop_;
  Clock& clock_;
  Waits& waits_;
  Timestamp began_;
  bool once_;
  bool gave_up_ = false;
  milliseconds slept_{0};
  unsigned failed_ = 0;
};

class Retry final : public Wrapper {
 public:
  Retry(std::unique_ptr<Driver> inner, RetryPolicy policy, std::stop_token stop, Clock& clock)
      : Wrapper(std::move(inner)), policy_(policy), stop_(std::move(stop)), clock_(clock) {}

  bool put(std::string_view key, Bytes body, IfExists if_exists) override {
    Attempts attempts = begin();
    // `keep`, so that "it exists" is a value here; what the caller asked for is decided below.
    if (attempts.run([&] { return inner_->put(key, body, IfExists::keep); })) return true;
    const bool may_be_ours = attempts.repeated() || if_exists == IfExists::fail;
    if (may_be_ours && attempts.run([&] { return stored(key, body); })) return true;
    if (if_exists == IfExists::keep) return false;
    throw ConflictError(format("cannot create \"{}\" in {}: it exists already", key, describe()));
  }

  bool get(std::string_view key, Range range, Buffer& out) override {
    return begin().run([&] { return inner_->get(key, range, out); });
  }
  std::optional<Object> stat(std::string_view key) override {
    return begin().run([&] { return inner_->stat(key); });
  }

  void list(std::string_view prefix, const std::function<void(const Object&)>& visit) override {
    std::optional<std::string> last;
    std::exception_ptr visitors_own;
    begin().run([&] {
      try {
        inner_->list(prefix, [&](const Object& object) {
          if (last && object.key <= *last) return;
          last = object.key;
          try {
            visit(object);
          } catch (...) {
            visitors_own = std::current_exception();
            throw;
          }
        });
      } catch (...) {
        // Not the store's failure, whatever its type: it leaves through here, not through a retry.
        if (!visitors_own) throw;
      }
    });
    if (visitors_own) std::rethrow_exception(visitors_own);
  }

  std::vector<std::string> folders(std::string_view prefix) override {
    return begin().run([&] { return inner_->folders(prefix); });
  }

  void remove(std::span<const std::string> keys) override {
    begin().run([&] { inner_->remove(keys); });
  }
  std::optional<std::vector<StoreRule>> harmful_rules() override {
    return begin().run([&] { return inner_->harmful_rules(); });
  }

 private:
  Attempts begin() { return Attempts(policy_, stop_, clock_, waits_); }

  bool stored(std::string_view key, Bytes body) {
    const auto object = inner_->stat(key);
    if (!object || object->size_bytes != body.size()) return false;
    Buffer content;
    return inner_->get(key, {}, content) && content.size() == body.size() &&
           (body.empty() || std::memcmp(content.data(), body.data(), body.size()) == 0);
  }

  RetryPolicy policy_;
  std::stop_token stop_;
  Clock& clock_;
  Waits waits_;
};

}  // namespace

std::unique_ptr<Driver> with_retry(std::unique_ptr<Driver> inner, RetryPolicy policy,
                                   std::stop_token stop, Clock& clock) {
  return std::make_unique<Retry>(std::move(inner), policy, std::move(stop), clock);
}

}  // namespace pgcairn::storage
