#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/time.hpp>

#include <atomic>
#include <functional>
#include <stop_token>
#include <thread>
#include <utility>

namespace pgcairn::engine {

/// Asks for a stop when `limit` is over, or when `outer` asks for one.
class TimeLimit {
 public:
  TimeLimit(milliseconds limit, std::stop_token outer)
      : pass_on_(std::move(outer), [this] { stop_.request_stop(); }),
        clock_([this, limit](const std::stop_token& end) { run(limit, end); }) {}
  TimeLimit(const TimeLimit&) = delete;
  TimeLimit& operator=(const TimeLimit&) = delete;

  std::stop_token token() const { return stop_.get_token(); }
  /// Was it the time that asked?
  bool is_over() const { return over_; }

 private:
  void run(milliseconds limit, const std::stop_token& end) {
    try {
      sleep_for(limit, end);
    } catch (const Interrupted&) {
      return;
    }
    over_ = true;
    stop_.request_stop();
  }

  std::stop_source stop_;
  std::atomic<bool> over_ = false;
  std::stop_callback<std::function<void()>> pass_on_;
  std::jthread clock_;
};

}  // namespace pgcairn::engine
