#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace pgcairn {

/// Microseconds since 1970-01-01 00:00:00 UTC.
using Timestamp = std::chrono::sys_time<std::chrono::microseconds>;
using std::chrono::milliseconds;

Timestamp now();

/// "2026-11-21T01:02:03Z", with ".ffffff" when there are microseconds.
std::string format_utc(Timestamp when);
std::optional<Timestamp> parse_utc(std::string_view text);
/// "20261121-010203", in UTC: the time part of a backup label.
std::string format_label_time(Timestamp when);
/// "2026-11-21 02:03:03+01", in the zone of the machine: for people.
std::string format_local(Timestamp when);

/// Waits; throws Interrupted as soon as `stop` is requested.
void sleep_for(milliseconds duration, std::stop_token stop);
/// Throws Interrupted when a stop was requested.
void check_stop(const std::stop_token& stop);

/// Time as the code sees it, so that tests of retries and leases need not wait.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
  virtual void sleep(milliseconds duration, std::stop_token stop) = 0;
};
/// The machine's clock.
Clock& system_clock();

}  // namespace pgcairn
