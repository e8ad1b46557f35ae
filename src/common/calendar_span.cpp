#include <pgcairn/common/calendar_span.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <array>

namespace pgcairn {

namespace {

using std::chrono::days;

// No time overflows by them.
constexpr std::uint64_t kMostDays = 1'000'000;
constexpr std::uint64_t kMostMonths = kMostDays / 31;

struct Unit {
  std::array<std::string_view, 3> names;
  bool is_months;
  std::uint64_t count;  // months, or hours
};
constexpr Unit kUnits[] = {{{"h", "hour", "hours"}, false, 1},
                           {{"d", "day", "days"}, false, 24},
                           {{"w", "week", "weeks"}, false, 7 * 24},
                           {{"mo", "month", "months"}, true, 1},
                           {{"y", "year", "years"}, true, 12}};

/// The span may have been built without a limit.
milliseconds bounded(milliseconds time) {
  return std::min<milliseconds>(time, days(kMostDays));
}

Timestamp shift_months(Timestamp when, std::int32_t months, const OffsetAt& offset_at) {
  if (months == 0) return when;
  const Timestamp shown = when + offset_at(when);
  const auto day = std::chrono::floor<days>(shown);
  std::chrono::year_month_day date(day);
  date += std::chrono::months(months);
  if (!date.ok()) date = date.year() / date.month() / std::chrono::last;
  const Timestamp there = std::chrono::sys_days(date) + (shown - day);
  return there - offset_at(there - offset_at(when));
}

}  // namespace

std::optional<CalendarSpan> parse_calendar_span(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_u64(text.substr(0, digits));
  if (!number) return std::nullopt;
  std::string_view name = text.substr(digits);
  if (name.starts_with(' ')) name.remove_prefix(1);
  if (name.empty() && *number == 0) return CalendarSpan();
  for (const Unit& unit : kUnits) {
    if (std::find(unit.names.begin(), unit.names.end(), name) == unit.names.end()) continue;
    const std::uint64_t most = unit.is_months ? kMostMonths : kMostDays * 24;
    if (*number > most / unit.count) return std::nullopt;
    const auto total = static_cast<std::int32_t>(*number * unit.count);
    CalendarSpan span;
    if (unit.is_months) {
      span.months = total;
    } else {
      span.time = std::chrono::hours(total);
    }
    return span;
  }
  return std::nullopt;
}

std::string format_calendar_span(const CalendarSpan& span) {
  if (span.months != 0) {
    return span.months % 12 == 0 ? format("{}y", span.months / 12) : format("{}mo", span.months);
  }
  const std::int64_t seconds = std::chrono::floor<std::chrono::seconds>(span.time).count();
  if (seconds % 86400 == 0) return format("{}d", seconds / 86400);
  if (seconds % 3600 == 0) return format("{}h", seconds / 3600);
  return format("{}s", seconds);
}

Timestamp before(Timestamp when, const CalendarSpan& span, const OffsetAt& offset_at) {
  return shift_months(when, -span.months, offset_at) - bounded(span.time);
}

Timestamp after(Timestamp when, const CalendarSpan& span, const OffsetAt& offset_at) {
  return shift_months(when, span.months, offset_at) + bounded(span.time);
}

}  // namespace pgcairn
