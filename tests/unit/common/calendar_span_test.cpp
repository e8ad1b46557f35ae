#include <pgcairn/common/calendar_span.hpp>
#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace std::chrono_literals;

namespace {

CalendarSpan months(std::int32_t count) {
  CalendarSpan span;
  span.months = count;
  return span;
}

Timestamp at(std::string_view utc) {
  return parse_utc(std::string(utc) + "Z").value();
}

std::chrono::seconds in_utc(Timestamp) {
  return 0s;
}

/// Two hours ahead of UTC in summer, one in winter, as in Berlin of 2026.
std::chrono::seconds in_berlin(Timestamp when) {
  return when >= at("2026-03-29T01:00:00") && when < at("2026-10-25T01:00:00") ? 2h : 1h;
}

}  // namespace

TEST_CASE("parse_calendar_span") {
  struct Row {
    const char* text;
    std::optional<CalendarSpan> span;
    const char* shown;
  };
  const Row rows[] = {{"36h", 36h, "36h"},
                      {"24h", 24h, "1d"},
                      {"14d", 14 * 24h, "14d"},
                      {"2w", 14 * 24h, "14d"},
                      {"6mo", months(6), "6mo"},
                      {"12mo", months(12), "1y"},
                      {"1y", months(12), "1y"},
                      {"3y", months(36), "3y"},
                      {"1 hour", 1h, "1h"},
                      {"36 hours", 36h, "36h"},
                      {"14days", 14 * 24h, "14d"},
                      {"1 week", 7 * 24h, "7d"},
                      {"6 months", months(6), "6mo"},
                      {"1 month", months(1), "1mo"},
                      {"2 years", months(24), "2y"},
                      {"0", CalendarSpan(), "0d"},
                      {"0d", CalendarSpan(), "0d"},
                      // What would be seconds or minutes elsewhere, and what is nothing at all.
                      {"14", {}, ""},
                      {"6m", {}, ""},
                      {"6M", {}, ""},
                      {"90s", {}, ""},
                      {"90ms", {}, ""},
                      {"6min", {}, ""},
                      {"", {}, ""},
                      {"d", {}, ""},
                      {"-1d", {}, ""},
                      {"1.5d", {}, ""},
                      {"1d12h", {}, ""},
                      {" 1d", {}, ""},
                      {"1  d", {}, ""},
                      {"1d ", {}, ""},
                      {"1D", {}, ""},
                      {"99999999999999999999d", {}, ""},
                      {"9999999999d", {}, ""},
                      {"999999999y", {}, ""}};
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(parse_calendar_span(row.text) == row.span);
    if (row.span) CHECK(format_calendar_span(*row.span) == row.shown);
  }
}

TEST_CASE("months lead to the same day and time of day, or to a short month's last day") {
  CHECK(before(at("2026-11-21T12:00:00"), months(6), in_utc) == at("2026-05-21T12:00:00"));
  CHECK(before(at("2026-03-31T12:00:00"), months(1), in_utc) == at("2026-02-28T12:00:00"));
  CHECK(before(at("2028-03-31T12:00:00"), months(1), in_utc) == at("2028-02-29T12:00:00"));
  CHECK(before(at("2028-02-29T12:00:00"), months(12), in_utc) == at("2027-02-28T12:00:00"));
  CHECK(before(at("2026-01-15T00:00:00"), months(13), in_utc) == at("2024-12-15T00:00:00"));
  CHECK(after(at("2026-12-31T12:00:00"), months(2), in_utc) == at("2027-02-28T12:00:00"));
  CHECK(before(at("2026-11-21T12:00:00"), 36h, in_utc) == at("2026-11-20T00:00:00"));
  // Noon in Berlin stays noon over the change of the clocks; 00:30 there is the day before in UTC.
  CHECK(before(at("2026-11-21T11:00:00"), months(6), in_berlin) == at("2026-05-21T10:00:00"));
  CHECK(before(at("2026-05-31T22:30:00"), months(1), in_berlin) == at("2026-04-30T22:30:00"));
}

TEST_CASE("the longest spans overflow nothing") {
  for (const char* const text : {"1000000d", "24000000h", "142857w", "32258mo", "2688y"}) {
    INFO(text);
    const CalendarSpan span = parse_calendar_span(text).value();
    CHECK(before(at("2026-11-21T12:00:00"), span, in_utc) < at("1971-01-01T00:00:00"));
    CHECK(after(at("2026-11-21T12:00:00"), span, in_utc) > at("2037-01-01T00:00:00"));
  }
}
