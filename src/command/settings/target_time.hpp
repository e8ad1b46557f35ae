#pragma once

#include "settings/zone.hpp"

#include <pgcairn/common/time.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace pgcairn::command {

struct TargetTime {
  Timestamp when{};
  std::string zone;           // the one the text was read in: "UTC+01", "Europe/Berlin"
  bool zone_assumed = false;  // the text named none, and local time was taken
};

/// Reads a time as an operator writes it (pgcairn-restore(1), TARGET TIMES):
///
/// - 2026-11-21 02:41:07.123+01, also with T, without seconds, or the date alone (midnight);
///   the zone is Z, UTC, GMT, +01, +0130, +01:30, or a name such as Europe/Berlin; without one the
///   time is read in `local()`, asked only then
/// - 23:13: today's, with a zone too
/// - now, today 08:30, yesterday 14:00, tomorrow, each with a zone too
/// - 90 minutes ago, -90 minutes, 1h30min ago (seconds, minutes, hours, days of 24 hours, weeks)
///
/// Throws UsageError for anything else, with the nearest right words; for a time that the zone's
/// clocks jumped over, for one they showed twice, naming both readings, and for a clock without a
/// day that is still to come. Whether a time is in the future otherwise is not looked at.
TargetTime parse_target_time(std::string_view text, Timestamp now,
                             const std::function<Zone()>& local);

/// Reads when something ends that begins now (pgcairn-hold(1), --until): a time as above, of which
/// a clock without a day is the next such time; or a span, as parse_calendar_span() reads it,
/// "in 30 days" too. Throws UsageError for anything else, and for a time that is not to come.
TargetTime parse_end_time(std::string_view text, Timestamp now, const std::function<Zone()>& local);

}  // namespace pgcairn::command
