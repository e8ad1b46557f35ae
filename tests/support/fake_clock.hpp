#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/time.hpp>

#include <functional>
#include <mutex>
#include <vector>

namespace pgcairn::test {

/// A clock on which a sleep takes no time. Safe to use from many threads.
class FakeClock : public Clock {
 public:
  Timestamp now() const override {
    std::lock_guard lock(mutex_);
    return now_;
  }
  void sleep(milliseconds duration, std::stop_token stop) override {
    if (before_sleep) before_sleep(duration);
    check_stop(stop);
    std::lock_guard lock(mutex_);
    now_ += duration;
    slept_.push_back(duration);
  }

  /// As when somebody sets the clock (negative: back) or time passes.
  void advance(milliseconds duration) {
    std::lock_guard lock(mutex_);
    now_ += duration;
  }
  std::vector<milliseconds> slept() const {
    std::lock_guard lock(mutex_);
    return slept_;
  }
  milliseconds slept_in_all() const {
    milliseconds total{0};
    for (const milliseconds one : slept()) total += one;
    return total;
  }

  std::function<void(milliseconds)> before_sleep;

 private:
  mutable std::mutex mutex_;
  Timestamp now_ = Timestamp(std::chrono::seconds(1'800'000'000));
  std::vector<milliseconds> slept_;
};

}  // namespace pgcairn::test
