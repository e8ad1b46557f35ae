#include "command/settings/target_time.hpp"

#include <pgcairn/common/error.hpp>

#include <cstdlib>
#include <ctime>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::command;

namespace {

const Timestamp kNow = *parse_utc("2026-11-21T12:30:00Z");

Zone berlin() {
  auto zone = named_zone("Europe/Berlin");
  REQUIRE(zone);
  return *zone;
}

std::string read(const std::string& text) {
  return format_utc(parse_target_time(text, kNow, berlin).when);
}

std::string refusal(const std::string& text) {
  try {
    return "taken: " + read(text);
  } catch (const UsageError& error) {
    return error.render();
  }
}

}  // namespace

TEST_CASE("target times in every form that is documented") {
  struct Row {
    const char* text;
    const char* utc;
  };
  const Row rows[] = {
      {"2026-11-21 02:41:07+00", "2026-11-21T02:41:07Z"},
      {"2026-11-21 02:41:07 +00", "2026-11-21T02:41:07Z"},
      {"2026-11-21T02:41:07.123Z", "2026-11-21T02:41:07.123000Z"},
      {"2026-11-21T02:41:07.123456789Z", "2026-11-21T02:41:07.123456Z"},
      {"2026-11-21t02:41:07z", "2026-11-21T02:41:07Z"},
      {"2026-11-21 02:41:07+01", "2026-11-21T01:41:07Z"},
      {"2026-11-21 02:41:07+01:30", "2026-11-21T01:11:07Z"},
      {"2026-11-21 02:41:07-0800", "2026-11-21T10:41:07Z"},
      {"2026-11-21 02:41:07 UTC", "2026-11-21T02:41:07Z"},
      {"2026-11-21 02:41:07 gmt", "2026-11-21T02:41:07Z"},
      {"2026-11-21 02:41 Europe/Berlin", "2026-11-21T01:41:00Z"},
      {"2026-07-01 02:41 Europe/Berlin", "2026-07-01T00:41:00Z"},
      {"2026-07-01 02:41 America/St_Johns", "2026-07-01T05:11:00Z"},
      {"2026-07-01 02:41 Asia/Kolkata", "2026-06-30T21:11:00Z"},
      {"2026-11-21 02:41:07", "2026-11-21T01:41:07Z"},
      {"2026-07-01", "2026-06-30T22:00:00Z"},
      {"  2026-11-21 02:41  ", "2026-11-21T01:41:00Z"},
      {"2024-02-29 00:00Z", "2024-02-29T00:00:00Z"},
      {"now", "2026-11-21T12:30:00Z"},
      {"today 08:30", "2026-11-21T07:30:00Z"},
      {"Today", "2026-11-20T23:00:00Z"},
      {"yesterday 14:00", "2026-11-20T13:00:00Z"},
      {"yesterday 14:00 UTC", "2026-11-20T14:00:00Z"},
      {"1 hour ago", "2026-11-21T11:30:00Z"},
      {"an hour ago", "2026-11-21T11:30:00Z"},
      {"90 minutes ago", "2026-11-21T11:00:00Z"},
      {"1 hour 30 minutes ago", "2026-11-21T11:00:00Z"},
      {"2 days ago", "2026-11-19T12:30:00Z"},
      {"1 week ago", "2026-11-14T12:30:00Z"},
      {"45 seconds ago", "2026-11-21T12:29:15Z"},
      {"1h ago", "2026-11-21T11:30:00Z"},
      {"1h30min ago", "2026-11-21T11:00:00Z"},
      {"-1 hour", "2026-11-21T11:30:00Z"},
      {"-1h", "2026-11-21T11:30:00Z"},
      {"- 90 minutes", "2026-11-21T11:00:00Z"},
      {"08:30", "2026-11-21T07:30:00Z"},
      {"08:30:15", "2026-11-21T07:30:15Z"},
      {"08:30 UTC", "2026-11-21T08:30:00Z"},
      {"08:30-03", "2026-11-21T11:30:00Z"},
      {"tomorrow", "2026-11-21T23:00:00Z"},
      {"tomorrow 08:30", "2026-11-22T07:30:00Z"},
      // The hours about the changes of 2026 that are not in doubt.
      {"2026-03-29 01:59:59", "2026-03-29T00:59:59Z"},
      {"2026-03-29 03:00:00", "2026-03-29T01:00:00Z"},
      {"2026-10-25 01:59:59", "2026-10-24T23:59:59Z"},
      {"2026-10-25 03:00:00", "2026-10-25T02:00:00Z"},
      {"2026-10-25 02:30:00+01", "2026-10-25T01:30:00Z"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(read(row.text) == row.utc);
  }
}

TEST_CASE("when something ends is a span, or a time to come") {
  struct Row {
    const char* text;
    const char* utc;  // at 13:30 in Berlin, on a Saturday
  };
  const Row rows[] = {
      {"12h", "2026-11-22T00:30:00Z"},
      {"30d", "2026-12-21T12:30:00Z"},
      {"in 30 days", "2026-12-21T12:30:00Z"},
      {" In 2W ", "2026-12-05T12:30:00Z"},
      {"6mo", "2027-05-21T12:30:00Z"},
      // The next such time.
      {"23:13", "2026-11-21T22:13:00Z"},
      {"13:30:01", "2026-11-21T12:30:01Z"},
      {"13:30", "2026-11-22T12:30:00Z"},
      {"08:00", "2026-11-22T07:00:00Z"},
      {"23:13 UTC", "2026-11-21T23:13:00Z"},
      {"12:00 UTC", "2026-11-22T12:00:00Z"},
      // West of it the day is another one: Sunday 02:00 in Kiritimati is Saturday noon.
      {"03:00 Pacific/Kiritimati", "2026-11-21T13:00:00Z"},
      {"02:00 Pacific/Kiritimati", "2026-11-22T12:00:00Z"},
      {"today 23:13", "2026-11-21T22:13:00Z"},
      {"tomorrow", "2026-11-21T23:00:00Z"},
      {"tomorrow 08:30", "2026-11-22T07:30:00Z"},
      {"2026-11-22", "2026-11-21T23:00:00Z"},
      {"2026-12-31 18:00 UTC", "2026-12-31T18:00:00Z"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(format_utc(parse_end_time(row.text, kNow, berlin).when) == row.utc);
  }
  // Where clocks are set back, the next 02:30 happens twice.
  const auto said = [](const char* text, const char* now) -> std::string {
    try {
      return "taken: " + format_utc(parse_end_time(text, *parse_utc(now), berlin).when);
    } catch (const UsageError& error) {
      return error.render();
    }
  };
  CHECK(said("02:30", "2026-10-24T12:00:00Z").find("twice") != std::string::npos);
  CHECK(said("02:30", "2026-03-28T12:00:00Z").find("set forward") != std::string::npos);
  for (const char* const text : {"now", "today", "today 08:00", "yesterday 23:00", "2026-11-21",
                                 "2020-01-01", "90 minutes ago", "-1d", "1d ago", "0d", "0"}) {
    INFO(text);
    CHECK(said(text, "2026-11-21T12:30:00Z").find("not a time to come") != std::string::npos);
  }
  for (const char* const text : {"", "soon", "6m", "14", "90s", "in 23:13", "in", "9:15", "24:00",
                                 "in 90 minutes", "2026-13-01"}) {
    INFO(text);
    CHECK(said(text, "2026-11-21T12:30:00Z").find("neither a time nor a span") !=
          std::string::npos);
    CHECK(said(text, "2026-11-21T12:30:00Z").find("6mo for months") != std::string::npos);
  }
  CHECK(said("08:30 tomorrow", "2026-11-21T12:30:00Z").find("write \"tomorrow 08:30\"") !=
        std::string::npos);
}

TEST_CASE("what is no time is refused") {
  for (const char* const text : {"",
                                 "soon",
                                 "2026-11-21 25:00",
                                 "2026-11-21 02:60",
                                 "2026-13-01",
                                 "2026-02-30",
                                 "2025-02-29",
                                 "26-11-21",
                                 "2026-11-21 2:41",
                                 "2026-11-21 02:41:07.",
                                 "2026-11-21 02:41 CET",
                                 "2026-11-21 02:41 Europe/Berln",
                                 "2026-11-21 02:41 ../etc/passwd",
                                 "2026-11-21 02:41 +25",
                                 "2026-11-21 02:41+1",
                                 "1 fortnight ago",
                                 "hour ago",
                                 "-1 hours ago",
                                 "-",
                                 "- hour",
                                 "1 hour",
                                 "5m ago",
                                 "23:13",
                                 "9:15",
                                 "08:30 yesterday",
                                 "4000000000 s 1 s ago",
                                 "99999999999999999999 days ago",
                                 "1000000000 weeks ago",
                                 "todayish",
                                 "today ago"}) {
    INFO(text);
    const std::string said = refusal(text);
    CHECK(said.find("taken") == std::string::npos);
    CHECK(said.find("hint:") != std::string::npos);
  }
}

TEST_CASE("a refused time is told with the nearest right words") {
  struct Row {
    const char* text;
    const char* words;
  };
  const Row rows[] = {
      {"1 hour", "did you mean \"1 hour ago\"?"},
      {"-1 hour ago", "without the minus sign"},
      {"5m ago", "write \"min\""},
      {"1 month ago", "\"30 days ago\""},
      {"08:30 yesterday", "write \"yesterday 08:30\""},
      {"23:13", "write \"yesterday 23:13\""},
      {"23:13 UTC", "write \"yesterday 23:13 UTC\""},
      {"soon", "\"yesterday 14:00\""},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(refusal(row.text).find(row.words) != std::string::npos);
  }
}

TEST_CASE("local times in a gap or an overlap of the clocks are refused, with both readings") {
  const std::string never = refusal("2026-03-29 02:30");
  CHECK(never.find("set forward over it, from +01 to +02") != std::string::npos);
  CHECK(never.find("\"2026-03-29 02:30:00+02\" for 2026-03-29T00:30:00Z") != std::string::npos);
  CHECK(never.find("\"2026-03-29 02:30:00+01\" for 2026-03-29T01:30:00Z") != std::string::npos);
  const std::string twice = refusal("2026-10-25 02:30");
  CHECK(twice.find("2026-10-25T00:30:00Z") != std::string::npos);
  CHECK(twice.find("2026-10-25T01:30:00Z") != std::string::npos);
  CHECK(twice.find("\"2026-10-25 02:30:00+02\" for the first") != std::string::npos);
  CHECK(twice.find("\"2026-10-25 02:30:00+01\" for the second") != std::string::npos);
  // What the hint offers is taken.
  CHECK(read("2026-10-25 02:30:00+02") == "2026-10-25T00:30:00Z");
  // The other half of the year, the other direction.
  CHECK(refusal("2026-10-04 02:15 Australia/Lord_Howe").find("set forward") != std::string::npos);
  CHECK(refusal("2026-04-05 01:45 Australia/Lord_Howe").find("twice") != std::string::npos);
}

TEST_CASE("a zone that does not exist is refused with the one that was meant") {
  const auto refused = [](const char* tz) -> std::string {
    try {
      check_tz(tz);
      return "taken";
    } catch (const UsageError& error) {
      return error.render();
    }
  };
  for (const char* const right :
       {"", "UTC", ":UTC", "Europe/Berlin", ":Europe/Berlin", "Etc/GMT-3", "CET", "EST5EDT",
        "/usr/share/zoneinfo/Asia/Kolkata", ":/usr/share/zoneinfo/Asia/Kolkata", "IST-5:30",
        "<+0330>-3:30", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,J60,J300/1", "AAA3BBB,0,365"}) {
    INFO(right);
    CHECK(refused(right) == "taken");
  }
  const auto says = [&](const char* tz, const char* words) {
    INFO(tz);
    CHECK(refused(tz).find(words) != std::string::npos);
  };
  says("Europe/Berln", "TZ: there is no time zone \"Europe/Berln\"");
  says("Europe/Berln", "did you mean Europe/Berlin?");
  says(":europe/berlin", "did you mean Europe/Berlin?");
  says("berlin", "did you mean Europe/Berlin?");
  says("Europe", "there is no time zone \"Europe\"");
  says("/usr/share/zoneinfo/Europe/Berln", "there is no time zone");
  says("Nowhere/Atall", "name it like Europe/Berlin");
  // It would follow the changes of the United States.
  says("CET-1CEST", "does not say when summer time begins and ends");
  says("CET-1CEST", "or its days, like CET-1CEST,M3.5.0,M10.5.0/3");
  says("EU5", "there is no time zone");
  says("right/Europe/Berlin", "counts leap seconds");
  says("right/Europe/Berlin", "did you mean Europe/Berlin?");
  CHECK(refusal("2026-11-21 02:41 Europe/Berln").find("did you mean Europe/Berlin?") !=
        std::string::npos);
  CHECK(refusal("2026-11-21 02:41 right/Europe/Berlin").find("leap seconds") != std::string::npos);
  CHECK(zone_hint("Europe/Berlin", "/nonexistent").find("install tzdata") != std::string::npos);
}

TEST_CASE("a wrong TZ stops only times that are read in it") {
  const auto wrong = []() -> Zone { throw UsageError("TZ is wrong"); };
  CHECK(parse_target_time("2026-11-21 02:41+01", kNow, wrong).zone == "UTC+01");
  CHECK(parse_target_time("today 08:30 UTC", kNow, wrong).zone == "UTC");
  CHECK(parse_target_time("1 hour ago", kNow, wrong).zone == "UTC");
  CHECK_THROWS_AS(parse_target_time("2026-11-21 02:41", kNow, wrong), UsageError);
}

TEST_CASE("a time without a zone says so") {
  CHECK(parse_target_time("2026-11-21 02:41", kNow, berlin).zone_assumed);
  CHECK(parse_target_time("02:41", kNow, berlin).zone_assumed);
  CHECK_FALSE(parse_target_time("2026-11-21 02:41Z", kNow, berlin).zone_assumed);
  CHECK_FALSE(parse_target_time("1 hour ago", kNow, berlin).zone_assumed);
}

TEST_CASE("zones agree with the C library at every change and far beyond the file's last one") {
  const char* const before = std::getenv("TZ");
  const std::string saved = before == nullptr ? "" : before;
  for (const char* const name :
       {"Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe",
        "Asia/Kolkata", "Pacific/Auckland", "Africa/Casablanca", "America/Santiago",
        "Europe/Dublin", "EST5EDT,J60,J300/1", "AAA3BBB,59,300", "AAA-3BBB,M10.1.6,J61"}) {
    INFO(name);
    auto zone = named_zone(name);
    if (!zone) {
      const auto rule = posix_rule(name);
      REQUIRE(rule);
      zone = Zone{name, *rule};
    }
    setenv("TZ", name, 1);
    tzset();
    const Zone local = local_zone();
    bool same = true;
    // From 1975 to 2075 in steps that meet every hour of the week.
    for (std::int64_t at = 157'766'400; at < 3'313'526'400; at += 4 * 86'400 + 3'601) {
      const std::chrono::sys_seconds when{std::chrono::seconds(at)};
      if (zone->offset_at(when) != local.offset_at(when)) {
        INFO(format_utc(when));
        CHECK(zone->offset_at(when) == local.offset_at(when));
        same = false;
        break;
      }
    }
    CHECK(same);
  }
  saved.empty() ? unsetenv("TZ") : setenv("TZ", saved.c_str(), 1);
  tzset();
}

TEST_CASE("rules of POSIX TZ strings") {
  const auto at = [](const char* utc) {
    return std::chrono::floor<std::chrono::seconds>(*parse_utc(utc));
  };
  const auto rule = posix_rule("<-03>3<-02>,M3.5.0/-2,M10.5.0/-1");  // America/Nuuk before 2023
  REQUIRE(rule);
  CHECK((*rule)(at("2026-01-01T00:00:00Z")) == Seconds(-3 * 3600));
  CHECK((*rule)(at("2026-07-01T00:00:00Z")) == Seconds(-2 * 3600));
  CHECK((*posix_rule("IST-5:30"))(at("2026-07-01T00:00:00Z")) == Seconds(19800));
  for (const char* const wrong :
       {"", "CET", "CET-1CEST", "CET-1CEST,M13.1.0,M10.5.0", "<CET-1", "CET-1CEST,M3.5.0,M10.5.0x",
        "CET-1CEST,M3.6.0,M10.5.0", "CET-1CEST,J0,J300", "CET-1CEST,J60,366",
        "CT-1CEST,M3.5.0,M10.5.0"}) {
    INFO(wrong);
    CHECK_FALSE(posix_rule(wrong));
  }
}
