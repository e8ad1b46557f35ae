#include "engine/wal/trace.hpp"

#include "engine/expire/wal.hpp"
#include "support/random.hpp"

#include <pgcairn/common/text.hpp>

#include <map>
#include <set>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

constexpr std::uint64_t kBytes = kDefaultWalSegmentBytes;

using Files = std::set<std::string>;

/// "1:3-5 2:6 2:7.partial": the files of one repository.
Files files(const std::string& text) {
  Files names;
  for (const std::string_view word : split(text, ' ')) {
    if (word.empty()) continue;
    const auto colon = word.find(':');
    const auto timeline = static_cast<Timeline>(*parse_u64(word.substr(0, colon)));
    std::string_view numbers = word.substr(colon + 1);
    const bool partial = numbers.ends_with(".partial");
    if (partial) numbers.remove_suffix(8);
    const auto dash = numbers.find('-');
    const std::uint64_t first = *parse_u64(numbers.substr(0, dash));
    const std::uint64_t last =
        dash == std::string_view::npos ? first : *parse_u64(numbers.substr(dash + 1));
    for (std::uint64_t number = first; number <= last; ++number) {
      names.insert(wal_segment_name({timeline, number}, kBytes) + (partial ? ".partial" : ""));
    }
  }
  return names;
}

ArchivedNames names_of(const std::map<std::string, Files>& repositories) {
  const auto holders = [&repositories](const std::string& file) {
    std::vector<std::string> names;
    for (const auto& [name, there] : repositories)
      if (there.contains(file)) names.push_back(name);
    return names;
  };
  return {holders,
          [&repositories](const std::string& from, const std::string& limit) {
            std::string first;
            for (const auto& [name, there] : repositories) {
              auto at = there.lower_bound(from);
              while (at != there.end() && at->size() != 24) ++at;
              if (at == there.end() || *at >= limit) continue;
              if (first.empty() || *at < first) first = *at;
            }
            return first;
          },
          [holders](const std::string& file) { return !holders(file).empty(); },
          [](const std::string&) { return false; }};
}

/// "2:7" for a segment's name, "" for none.
std::string brief(const std::string& name) {
  if (name.empty()) return "";
  const auto segment = *parse_wal_segment_name(name.substr(0, 24), kBytes);
  return format("{}:{}", segment.timeline, segment.number);
}

std::string brief(const WalReach& reach) {
  std::string text;
  for (const WalRange& range : reach.ranges) {
    text += format("{}-{}", brief(range.first), range.last.empty() ? "" : brief(range.last));
    for (const std::string& repository : range.repositories) text += "," + repository;
    text += " ";
  }
  text += format("to {} lacks {}", to_string(reach.end), brief(reach.missing));
  if (!reach.after_gap.empty()) text += " before " + brief(reach.after_gap);
  if (!reach.partial.empty()) text += " partial";
  return text;
}

/// What the histories of a path's timelines tell of it.
Timelines timelines_of(const std::vector<TimelineSpan>& path) {
  Timelines timelines;
  std::string history;
  for (const TimelineSpan& span : path) {
    if (!history.empty()) timelines.add(span.timeline, as_bytes(history), "history");
    history += format("{}\t{}\tno recovery target specified\n", span.timeline, to_string(span.end));
  }
  return timelines;
}

/// A backup whose own WAL is one segment.
WalClaim backup_at(Timeline timeline, std::uint64_t number) {
  return {"B", timeline, number, number, Lsn{number * kBytes + 100}, true, {}};
}

/// The segments of these that nothing needs: "1:2 1:7".
std::string unneeded(WalNeeds& needs, const Files& there) {
  std::string text;
  for (const std::string& file : there)
    if (needs.keep_reason(file).empty()) text += (text.empty() ? "" : " ") + brief(file);
  return text;
}

// The timeline switches in the middle of a segment, at the end of one, and never.
const std::vector<TimelineSpan> kOne = {{1, {}, {}}};
const std::vector<TimelineSpan> kWithin6 = {{1, {}, Lsn{0x6800000}}, {2, Lsn{0x6800000}, {}}};
const std::vector<TimelineSpan> kBefore6 = {{1, {}, Lsn{0x6000000}}, {2, Lsn{0x6000000}, {}}};
const std::vector<TimelineSpan> kThree = {
    {1, {}, Lsn{0x6800000}}, {2, Lsn{0x6800000}, Lsn{0x6900000}}, {3, Lsn{0x6900000}, {}}};

}  // namespace

TEST_CASE("archived WAL is followed to the first segment that is missing") {
  struct Row {
    const char* what;
    std::vector<TimelineSpan> path;
    const char* local;
    const char* offsite;
    const char* reach;  // from segment 3 on
    const char* goes =
        "";  // of these files, when a backup of segment 3 is the way to the path's end
  };
  const Row rows[] = {
      {"nothing is there", kOne, "", "", "to 0/0 lacks 1:3"},
      {"later WAL is there", kOne, "1:5", "", "to 0/0 lacks 1:3 before 1:5"},
      {"all of it", kOne, "1:2-5", "", "1:3-1:5,local to 0/6000000 lacks 1:6", "1:2"},
      {"a gap", kOne, "1:3-4 1:6-7", "", "1:3-1:4,local to 0/5000000 lacks 1:5 before 1:6"},
      {"in two repositories", kOne, "1:3-4", "1:4-5",
       "1:3-1:3,local 1:4-1:4,local,offsite 1:5-1:5,offsite to 0/6000000 lacks 1:6"},
      {"each has another gap", kOne, "1:3 1:5 1:7", "1:4 1:7-8",
       "1:3-1:3,local 1:4-1:4,offsite 1:5-1:5,local to 0/6000000 lacks 1:6 before 1:7"},
      {"a partial segment at the end", kOne, "1:3-4 1:5.partial", "",
       "1:3-1:4,local to 0/5000000 lacks 1:5 partial"},
      {"a partial segment elsewhere", kOne, "1:3-4", "1:5.partial 1:6.partial",
       "1:3-1:4,local to 0/5000000 lacks 1:5 partial"},
      {"a partial segment does not bridge a gap", kOne, "1:3-4 1:5.partial 1:6", "",
       "1:3-1:4,local to 0/5000000 lacks 1:5 before 1:6"},
      {"the switch within a segment", kWithin6, "1:3-6 2:6-7", "",
       "1:3-1:5,local 2:6-2:7,local to 0/8000000 lacks 2:8"},
      {"only the newer timeline has it", kWithin6, "1:3-5 2:6-7", "",
       "1:3-1:5,local 2:6-2:7,local to 0/8000000 lacks 2:8"},
      {"only the older timeline has it", kWithin6, "1:3-7", "",
       "1:3-1:6,local to 0/6800000 lacks 2:6", "1:7"},
      {"only the older timeline has it, and the newer goes on", kWithin6, "1:3-7 2:7-8", "",
       "1:3-1:6,local to 0/6800000 lacks 2:6 before 2:7", "1:7"},
      {"only the older timeline has it, and the newer's partial is there", kWithin6,
       "1:3-6 2:6.partial", "", "1:3-1:6,local to 0/6800000 lacks 2:6 partial"},
      {"a gap across the switch", kWithin6, "1:3-4", "2:7",
       "1:3-1:4,local to 0/5000000 lacks 1:5 before 2:7"},
      {"a gap that ends at the switch", kWithin6, "1:3-4 2:6-7", "",
       "1:3-1:4,local to 0/5000000 lacks 1:5 before 2:6"},
      {"what the older timeline wrote after the switch is elsewhere", kWithin6, "1:3-4 1:7-9", "",
       "1:3-1:4,local to 0/5000000 lacks 1:5", "1:7 1:8 1:9"},
      {"the switch at a segment's end", kBefore6, "1:3-5 2:6-7", "",
       "1:3-1:5,local 2:6-2:7,local to 0/8000000 lacks 2:8"},
      {"after it the older timeline is over", kBefore6, "1:3-7", "",
       "1:3-1:5,local to 0/6000000 lacks 2:6", "1:6 1:7"},
      {"two switches within a segment", kThree, "1:3-6 3:6-7", "",
       "1:3-1:5,local 3:6-3:7,local to 0/8000000 lacks 3:8"},
      {"of two switches the second's part is not there", kThree, "1:3-6 2:6 3:7", "",
       "1:3-1:5,local 2:6-2:6,local to 0/6900000 lacks 3:6 before 3:7"},
      {"a timeline without a history stands alone",
       {{2, {}, {}}},
       "1:3-6 2:6-7",
       "",
       "to 0/0 lacks 2:3 before 2:6",
       "1:3 1:4 1:5 1:6"},
      {"of a timeline only some segments are there",
       {{2, {}, {}}},
       "2:3-4 2:9-10",
       "",
       "2:3-2:4,local to 0/5000000 lacks 2:5 before 2:9"},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    const std::map<std::string, Files> repositories = {{"local", files(row.local)},
                                                       {"offsite", files(row.offsite)}};
    const WalReach reach = trace_wal(names_of(repositories), row.path, 3, kBytes);
    CHECK(brief(reach) == row.reach);
    // What a restore reads on the path is what expire keeps for it, and no more.
    const Timelines timelines = timelines_of(row.path);
    const Timeline from = row.path.front().timeline;
    const Timeline to = row.path.back().timeline;
    REQUIRE(asked_for(timelines.path(from, to), 0, kBytes) == asked_for(row.path, 0, kBytes));
    WalClaim claim = backup_at(from, 3);
    claim.continuous = false;
    claim.way_to = {to};
    WalNeeds needs({claim}, timelines, kBytes);
    Files all = repositories.at("local");
    all.insert(repositories.at("offsite").begin(), repositories.at("offsite").end());
    CHECK(unneeded(needs, all) == row.goes);
    // One that recovery may go on from keeps all of the timeline that it was begun on.
    WalNeeds all_ways({backup_at(from, 3)}, timelines, kBytes);
    for (const std::string& segment : segments_of(reach, kBytes)) {
      CHECK_FALSE(needs.keep_reason(segment).empty());
      CHECK_FALSE(all_ways.keep_reason(segment).empty());
    }
  }
}

TEST_CASE("which segments recovery may ask for") {
  struct Row {
    const char* what;
    std::vector<TimelineSpan> path;
    const char* asked;  // from segment 3 on
  };
  const std::uint64_t half = kBytes / 2;
  const Row rows[] = {
      {"one timeline", kOne, "1:3-"},
      {"the switch within a segment: both", kWithin6, "1:3-6 2:6-"},
      {"at a segment's end: the newer one", kBefore6, "1:3-5 2:6-"},
      {"two switches within a segment: all three", kThree, "1:3-6 2:6-6 3:6-"},
      {"the path was left before it", {{1, {}, Lsn{half}}, {2, Lsn{half}, {}}}, "2:3-"},
      {"in the segment itself",
       {{1, {}, Lsn{3 * kBytes + half}}, {2, Lsn{3 * kBytes + half}, {}}},
       "1:3-3 2:3-"},
      {"the only timeline begins later", {{2, Lsn{0x6800000}, {}}}, "2:6-"},
      {"a timeline that nothing was written on",
       {{1, {}, Lsn{0x6000000}}, {2, Lsn{0x6000000}, Lsn{0x6000000}}, {3, Lsn{0x6000000}, {}}},
       "1:3-5 3:6-"},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    std::string text;
    for (const SegmentRange& range : asked_for(row.path, 3, kBytes)) {
      text += format("{}{}:{}-{}", text.empty() ? "" : " ", range.timeline, range.first,
                     range.end == kNoEnd ? "" : std::to_string(range.end - 1));
    }
    CHECK(text == row.asked);
  }
  // A history that lets a backup's timeline begin after the backup: its WAL cannot be found.
  const std::map<std::string, Files> there = {{"local", files("2:3-7")}};
  CHECK(brief(trace_wal(names_of(there), {{2, Lsn{0x6800000}, {}}}, 3, kBytes)) ==
        "to 0/0 lacks 2:3 before 2:6");
}

namespace {

/// A cluster's timelines at random, each of which left an older one. Some histories cannot be read.
struct RandomLives {
  explicit RandomLives(test::Random& random) {
    const auto newest = static_cast<Timeline>(2 + test::below(random, 6));
    ways[1] = {{1, {}, {}}};
    for (Timeline timeline = 2; timeline <= newest; ++timeline) {
      std::vector<TimelineSpan> way =
          ways[static_cast<Timeline>(1 + test::below(random, timeline - 1))];
      const std::uint64_t begin = way.back().begin.value;
      const bool at_end = random() % 3 == 0;
      std::uint64_t end = begin + test::below(random, 4 * kBytes);
      if (at_end) end = (end / kBytes + 1) * kBytes;
      end = std::max<std::uint64_t>(end, 1);
      way.back().end = Lsn{end};
      way.push_back({timeline, Lsn{end}, {}});
      ways[timeline] = way;
      if (random() % 8 == 0) continue;
      std::string history;
      for (const TimelineSpan& span : way)
        if (span.timeline != timeline)
          history += format("{}\t{}\treason\n", span.timeline, to_string(span.end));
      timelines.add(timeline, as_bytes(history), "history");
    }
  }
  std::map<Timeline, std::vector<TimelineSpan>> ways;
  Timelines timelines;
};

}  // namespace

TEST_CASE("what any restore from a kept backup reads, expire keeps", "[property]") {
  test::Random random(test::seed());
  std::size_t read = 0;
  std::size_t gone = 0;
  for (int run = 0; run < 500; ++run) {
    const RandomLives lives(random);
    std::map<std::string, Files> repositories;
    std::vector<WalClaim> claims;
    for (const auto& [timeline, way] : lives.ways) {
      for (std::uint64_t number = 0; number < 24; ++number) {
        for (const char* const name : {"local", "offsite"})
          if (random() % 8 != 0)
            repositories[name].insert(wal_segment_name({timeline, number}, kBytes));
      }
      if (random() % 2 == 0) continue;
      const std::uint64_t first = way.back().begin.value / kBytes + test::below(random, 6);
      WalClaim claim = backup_at(timeline, first);
      claim.last += test::below(random, 2);
      claim.stop = Lsn{claim.last * kBytes + 1 + test::below(random, kBytes)};
      claim.continuous = random() % 2 == 0;
      for (const Timeline to : lives.timelines.descendants(timeline, claim.stop))
        if (random() % 3 == 0) claim.way_to.push_back(to);
      claims.push_back(claim);
    }
    const ArchivedNames names = names_of(repositories);
    WalNeeds needs(claims, lives.timelines, kBytes);
    for (const std::string& segment : repositories["local"])
      gone += needs.keep_reason(segment).empty();
    for (const WalClaim& claim : claims) {
      std::vector<Timeline> ends = claim.way_to;
      if (claim.continuous) ends = lives.timelines.descendants(claim.timeline, claim.stop);
      for (const Timeline end : ends) {
        const auto path = lives.timelines.path(claim.timeline, end);
        const WalReach reach = trace_wal(names, path, claim.first, kBytes);
        for (const std::string& segment : segments_of(reach, kBytes)) {
          INFO(format("backup at {}:{} to {}: {}", claim.timeline, claim.first, end,
                      brief(segment)));
          CHECK_FALSE(needs.keep_reason(segment).empty());
          ++read;
        }
      }
    }
  }
  CHECK(read > 1000);
  CHECK(gone > 1000);
}

TEST_CASE("all WAL of a path comes in pieces without a gap") {
  const std::map<std::string, Files> repositories = {{"local", files("1:3-4 1:6 1:9 2:7-8 2:10")}};
  const WalPieces pieces(names_of(repositories), kWithin6, kBytes);
  std::string text;
  for (const WalPieces::Piece& piece : pieces.all())
    text += format("{}: {}; ", piece.first, brief(piece.reach));
  CHECK(text ==
        "3: 1:3-1:4,local to 0/5000000 lacks 1:5 before 1:6; "
        "6: 1:6-1:6,local to 0/6800000 lacks 2:6 before 2:7; "
        "7: 2:7-2:8,local to 0/9000000 lacks 2:9 before 2:10; "
        "10: 2:10-2:10,local to 0/B000000 lacks 2:11; ");
  CHECK(pieces.at(2) == nullptr);
  CHECK(brief(pieces.at(4)->last) == "1:4");
  CHECK(pieces.at(5) == nullptr);
  CHECK(brief(pieces.at(7)->last) == "2:8");
  CHECK(pieces.at(9) == nullptr);
  CHECK(pieces.at(11) == nullptr);
}

TEST_CASE("a trace says of every segment what recovery would find", "[property]") {
  test::Random random(test::seed());
  const std::vector<TimelineSpan> paths[] = {kOne, kWithin6, kBefore6, kThree};
  for (int run = 0; run < 500; ++run) {
    const auto& path = paths[random() % 4];
    std::map<std::string, Files> repositories;
    for (const char* const name : {"local", "offsite"}) {
      for (Timeline timeline = 1; timeline <= 3; ++timeline)
        for (std::uint64_t number = 3; number < 12; ++number)
          if (random() % 4 != 0)
            repositories[name].insert(wal_segment_name({timeline, number}, kBytes));
    }
    const ArchivedNames names = names_of(repositories);
    const WalPieces pieces(names, path, kBytes);
    for (std::uint64_t first = 3; first < 12; ++first) {
      const WalReach reach = trace_wal(names, path, first, kBytes);
      const auto followed = segments_of(reach, kBytes);
      std::uint64_t number = first;
      for (const std::string& segment : followed) {
        CHECK(number_of(segment, kBytes) == number++);
        CHECK_FALSE(names.holders(segment).empty());
      }
      // What is missing is in no repository, and what comes after the gap is in one.
      CHECK(names.holders(reach.missing).empty());
      CHECK((reach.after_gap.empty() || !names.holders(reach.after_gap).empty()));
      // A piece is where any of its segments leads.
      const WalReach* const piece = pieces.at(first);
      CHECK((piece != nullptr) == !followed.empty());
      if (piece == nullptr) continue;
      CHECK(piece->missing == reach.missing);
      CHECK(piece->end == reach.end);
      CHECK(piece->after_gap == reach.after_gap);
    }
  }
}

// Somebody's file, or a segment from before pg_resetwal --wal-segsize.
TEST_CASE("what is no segment of that size is passed over") {
  Files there = files("1:3-4");
  there.insert("0000000100000000000001FF");
  const std::vector<TimelineSpan> path = {{1, {}, {}}};
  CHECK(trace_wal(names_of({{"a", there}}), path, 3, kBytes).after_gap.empty());
  const std::string later = wal_segment_name({1, 0x101}, kBytes);
  there.insert(later);
  const WalReach reach = trace_wal(names_of({{"a", there}}), path, 3, kBytes);
  CHECK(reach.last == wal_segment_name({1, 4}, kBytes));
  CHECK(reach.after_gap == later);
}
