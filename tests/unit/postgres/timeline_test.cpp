#include "support/random.hpp"
#include "support/says.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/timeline.hpp>

#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace pgcairn::postgres {
namespace {

// 00000003.history of a real server (17.11): recovery along timeline 2 that ended before 2 began.
constexpr std::string_view kEndedEarly =
    "1\t0/4000000\tno recovery target specified\n"
    "\n"
    "2\t0/301FC50\tat restore point \"A\"\n";

constexpr std::string_view kThree =
    "1\t0/3000000\tno recovery target specified\n\n2\t0/5000000\tbefore transaction 741\n";

TimelineHistory three() {
  return parse_timeline_history(kThree, 3, "x");
}

// "1:100-300 2:300-500": hexadecimal.
std::string text_of(const std::vector<TimelineRange>& ranges) {
  std::string text;
  for (const TimelineRange& range : ranges) {
    text += format("{}{}:{:X}-", text.empty() ? "" : " ", range.timeline, range.begin.value);
    text += range.end == kEndOfLog ? "" : format("{:X}", range.end.value);
  }
  return text;
}

}  // namespace

TEST_CASE("a timeline's history is read", "[postgres][timeline]") {
  const TimelineHistory history = three();
  REQUIRE(history.entries.size() == 3);
  CHECK(history.timeline() == 3);
  CHECK(history.entries[0].timeline == 1);
  CHECK(to_string(history.entries[0].switch_lsn) == "0/3000000");
  CHECK(history.entries[0].reason == "no recovery target specified");
  CHECK(history.entries[1].reason == "before transaction 741");
  CHECK(history.entries[2].switch_lsn == kEndOfLog);
}

TEST_CASE("a history without a reason, with comments and CR is read", "[postgres][timeline]") {
  const TimelineHistory history =
      parse_timeline_history("# made by hand\r\n  2 \t A/B\r\n\r\n7 C/0", 9, "x");
  CHECK(text_of(timeline_stretches(history)) == "2:0-A0000000B 7:A0000000B-C00000000 9:C00000000-");
}

TEST_CASE("what is no history is refused with its line", "[postgres][timeline]") {
  const auto [text, cause, offset] = GENERATE(table<std::string, std::string, std::uint64_t>({
      {"", "no timeline is named", 0},
      {"# only words\n", "no timeline is named", 0},
      {"1\t0/1\tx\nhello\n", "line 2: does not begin with a timeline", 8},
      {"0\t0/1\tx\n", "line 1: does not begin with a timeline", 0},
      {"4294967297\t0/1\n", "line 1: does not begin with a timeline", 0},
      {"1\n", "line 1: names no WAL position", 0},
      {"1 somewhere\n", "line 1: names no WAL position", 0},
      {"2\t0/1\n\n2\t0/2\n", "line 3: timelines do not increase", 7},
      {"1\t0/1\n3\t0/2\n", "line 2: the timeline is not below the file's own", 6},
  }));
  try {
    parse_timeline_history(text, 3, "pg_wal/00000003.history");
    FAIL("accepted: " << text);
  } catch (const DamagedError& error) {
    CHECK(error.object() == "pg_wal/00000003.history");
    CHECK(error.offset() == offset);
    CHECK_THAT(error.message(), Catch::Contains(cause));
  }
}

TEST_CASE("the history of a data directory's timeline", "[postgres][timeline]") {
  const test::TempDir data;
  fs::create_directory(data / "pg_wal");
  SECTION("timeline 1 needs no file") {
    CHECK(text_of(timeline_stretches(read_timeline_history(data.path(), 1))) == "1:0-");
  }
  SECTION("names are hexadecimal") {
    write_file_atomically(data / "pg_wal/0000000B.history", as_bytes(kThree));
    CHECK(text_of(timeline_stretches(read_timeline_history(data.path(), 11))) ==
          "1:0-3000000 2:3000000-5000000 11:5000000-");
  }
  SECTION("an absent file is an error that says what to do") {
    CHECK_THAT(test::error_of([&] { read_timeline_history(data.path(), 2); }),
               test::Says({"history of timeline 2", "pg_wal/00000002.history", "hint: fetch"}));
  }
}

TEST_CASE("a timeline that was left before it began has nothing of the path",
          "[postgres][timeline]") {
  const TimelineHistory history = parse_timeline_history(kEndedEarly, 3, "x");
  CHECK(text_of(timeline_stretches(history)) == "1:0-301FC50 2:301FC50-301FC50 3:301FC50-");
  CHECK(is_on_path(history, {1, Lsn{0x301fc50}}));
  CHECK_FALSE(is_on_path(history, {1, Lsn{0x3500000}}));
  CHECK_FALSE(is_on_path(history, {2, Lsn{0x301fc50}}));
  CHECK_FALSE(is_on_path(history, {2, Lsn{0x4000000}}));
  CHECK(is_on_path(history, {3, Lsn{0x4000000}}));
  CHECK(text_of(wal_between(history, {1, Lsn{0x3000028}}, {3, Lsn{0x3020000}}).ranges) ==
        "1:3000028-301FC50 3:301FC50-3020000");
}

TEST_CASE("positions on the path of a history", "[postgres][timeline]") {
  const auto [timeline, lsn, expected] = GENERATE(table<Timeline, std::uint64_t, bool>({
      {1, 0x28, true},
      {1, 0x3000000, true},  // the end is common to both
      {1, 0x3000001, false},
      {2, 0x2ffffff, false},
      {2, 0x3000000, true},
      {2, 0x5000000, true},
      {2, 0x5000001, false},
      {3, 0x4ffffff, false},
      {3, 0x5000000, true},
      {3, 0xffffffff00000000, true},
      {4, 0x6000000, false},
  }));
  CAPTURE(timeline, lsn);
  CHECK(is_on_path(three(), {timeline, Lsn{lsn}}) == expected);
}

TEST_CASE("the WAL between two positions", "[postgres][timeline]") {
  const auto [from, to, expected] = GENERATE(table<WalPosition, WalPosition, std::string>({
      {{1, Lsn{0x100}}, {1, Lsn{0x200}}, "1:100-200"},
      {{1, Lsn{0x100}}, {2, Lsn{0x4000000}}, "1:100-3000000 2:3000000-4000000"},
      {{1, Lsn{0x100}}, {3, Lsn{0x6000000}}, "1:100-3000000 2:3000000-5000000 3:5000000-6000000"},
      {{2, Lsn{0x3000028}}, {3, Lsn{0x6000000}}, "2:3000028-5000000 3:5000000-6000000"},
      {{3, Lsn{0x5000028}}, {3, Lsn{0x6000000}}, "3:5000028-6000000"},
      {{1, Lsn{0x3000000}}, {2, Lsn{0x4000000}}, "2:3000000-4000000"},
      {{2, Lsn{0x4000000}}, {2, Lsn{0x4000000}}, ""},
  }));
  const WalBetween between = wal_between(three(), from, to);
  CHECK(between.refusal.empty());
  CHECK(text_of(between.ranges) == expected);
}

TEST_CASE("what is not an ancestor is refused in words", "[postgres][timeline]") {
  const auto [from, to, words] = GENERATE(table<WalPosition, WalPosition, std::string>({
      {{4, Lsn{0x100}}, {3, Lsn{0x6000000}}, "timeline 4 is not an ancestor of timeline 3"},
      {{1, Lsn{0x3000028}},
       {3, Lsn{0x6000000}},
       "0/3000028 is after 0/3000000, where timeline 1 ends on the way to timeline 3"},
      {{2, Lsn{0x100}}, {3, Lsn{0x6000000}}, "0/100 is before timeline 2 begins at 0/3000000"},
      {{2, Lsn{0x4000000}},
       {2, Lsn{0x3000000}},
       "0/3000000 on timeline 2 is before 0/4000000 on timeline 2"},
      {{2, Lsn{0x3000000}},
       {1, Lsn{0x3000000}},
       "0/3000000 on timeline 1 is before 0/3000000 on timeline 2"},
  }));
  const WalBetween between = wal_between(three(), from, to);
  CHECK(between.refusal == words);
  CHECK(between.ranges.empty());
}

TEST_CASE("stretches cover the log once, whatever the switch points", "[postgres][timeline]") {
  test::Random random(test::seed());
  for (int round = 0; round < 500; ++round) {
    TimelineHistory history;
    const std::uint64_t count = 1 + test::below(random, 6);
    for (Timeline timeline = 1; timeline < count; ++timeline)
      history.entries.push_back({timeline, Lsn{1 + test::below(random, 20)}, {}});
    history.entries.push_back({static_cast<Timeline>(count), kEndOfLog, {}});
    const auto stretches = timeline_stretches(history);
    Lsn reached;
    for (const TimelineRange& stretch : stretches) {
      CHECK(stretch.begin == reached);
      CHECK(stretch.begin <= stretch.end);
      reached = stretch.end;
    }
    CHECK(reached == kEndOfLog);
    // The newest timeline that had begun by then: a switch at or before the position was taken.
    for (std::uint64_t lsn = 0; lsn < 22; ++lsn) {
      Timeline expected = history.timeline();
      for (auto entry = history.entries.rbegin(); entry != history.entries.rend(); ++entry) {
        if (lsn < entry->switch_lsn.value) expected = entry->timeline;
        if (lsn >= entry->switch_lsn.value) break;
      }
      for (const TimelineRange& stretch : stretches) {
        if (stretch.begin.value <= lsn && lsn < stretch.end.value && stretch.timeline != expected)
          FAIL("seed " << test::seed() << ", " << text_of(stretches) << " at " << lsn);
      }
    }
  }
}

}  // namespace pgcairn::postgres
