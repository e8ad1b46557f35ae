#pragma once

#include <pgcairn/common/time.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pgcairn {

/// A span as people plan with: months of the calendar, or a length of time.
struct CalendarSpan {
  CalendarSpan() = default;
  template <class Number, class Unit>
  CalendarSpan(std::chrono::duration<Number, Unit> span) : time(span) {}
  bool operator==(const CalendarSpan&) const = default;

  std::int32_t months = 0;
  milliseconds time{0};

  bool is_zero() const { return months == 0 && time == milliseconds(0); }
};

/// "36h", "14d", "2w", "6mo", "1y", or with the unit's name: "6 months". Neither minutes nor a bare
/// number: who writes "6m" means months, and who writes "14" days. "0" is an empty span.
std::optional<CalendarSpan> parse_calendar_span(std::string_view text);
/// "36h", "14d", "6mo", "1y".
std::string format_calendar_span(const CalendarSpan& span);

/// How far the clocks of a place are ahead of UTC at a time.
using OffsetAt = std::function<std::chrono::seconds(Timestamp)>;
/// The time `span` before or after `when`. Months lead to the same day and time of day on the
/// clocks of the place, or to the last day of a month that is too short.
Timestamp before(Timestamp when, const CalendarSpan& span, const OffsetAt& offset_at);
Timestamp after(Timestamp when, const CalendarSpan& span, const OffsetAt& offset_at);

}  // namespace pgcairn
