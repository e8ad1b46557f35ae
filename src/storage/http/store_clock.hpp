#pragma once

#include "http/client.hpp"

#include <pgcairn/common/time.hpp>

#include <atomic>
#include <string>

namespace pgcairn::storage {

/// The clock that requests are signed with: this machine's, until the store refuses them and tells
/// another time; then the store's. Safe to call from many threads.
class StoreClock {
 public:
  /// `where` names the store in messages.
  explicit StoreClock(std::string where, Clock& clock = system_clock())
      : where_(std::move(where)), clock_(clock) {}

  Timestamp now() const { return clock_.now() + milliseconds(ahead_ms_); }

  /// The answer to what `send` sends, which signs with the time that it is given. Refused by a
  /// store whose clock is another one, it is sent once more, by that clock.
  template <class Send>
  HttpResponse send(Send send) {
    const Timestamp when = now();
    HttpResponse response = send(when);
    if (!refuses_time(response, when)) return response;
    return send(now());
  }

 private:
  /// Then now() is the store's time.
  bool refuses_time(const HttpResponse& response, Timestamp signed_at);

  std::string where_;
  Clock& clock_;
  std::atomic<milliseconds::rep> ahead_ms_ = 0;
};

}  // namespace pgcairn::storage
