#include "engine/restore/choose_backup.hpp"

#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <map>
#include <set>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using pgcairn::test::Says;

namespace {

// Timeline 2 left 1 at 0/5000000, 3 left 2 at 0/8000000; 4 left 1 at 0/3000000 (an older restore).
Timelines three_branches() {
  Timelines timelines;
  timelines.add(2, as_bytes("1\t0/5000000\tno recovery target specified\n"), "2");
  timelines.add(3, as_bytes("1\t0/5000000\tx\n2\t0/8000000\tx\n"), "3");
  timelines.add(4, as_bytes("# comment\n1\t0/3000000\tbefore 2026-11-21\n"), "4");
  return timelines;
}

repo::BackupMarker backup(const std::string& label, Timeline timeline, std::uint64_t stop_lsn,
                          const std::string& stop_time) {
  repo::BackupMarker info;
  info.label = label;
  info.cluster = "15-1";
  info.timeline = timeline;
  info.start_lsn = Lsn{stop_lsn - 0x100000};
  info.stop_lsn = Lsn{stop_lsn};
  info.stop_time = *parse_utc(stop_time);
  return info;
}

// One before the branches, one on timeline 1 after 4 left it, one on 2 and one on 3.
std::vector<repo::BackupMarker> four_backups() {
  return {backup("A", 1, 0x2000000, "2026-11-21T01:00:00Z"),
          backup("B", 1, 0x4000000, "2026-11-21T02:00:00Z"),
          backup("C", 2, 0x6000000, "2026-11-21T03:00:00Z"),
          backup("D", 3, 0x9000000, "2026-11-21T04:00:00Z")};
}

struct World {
  std::vector<repo::BackupMarker> backups = four_backups();
  std::map<std::string, Found> found;  // by label
  std::vector<std::string> wal;        // archived segments; backups alone make timelines, too
  std::set<Timeline> unread;
  std::optional<Branches> branches;
  ChoiceSources sources() {
    BranchSources of;
    of.timelines = three_branches();
    of.unread = unread;
    for (const std::string& name : wal) note_archived(of.wal, name);
    for (const repo::BackupMarker& one : backups)
      of.backups.push_back({one.timeline, one.stop_lsn});
    branches.emplace(std::move(of));
    return {[this](const repo::BackupMarker&) -> const Branches& { return *branches; },
            [this](const repo::BackupMarker& one, const std::vector<TimelineSpan>&) {
              return found.contains(one.label) ? found[one.label] : Found::no;
            }};
  }
  Choice choose(const RestoreOptions& options) {
    return choose_backup(backups, options, sources());
  }
  std::string refusal(const RestoreOptions& options) {
    try {
      return "chosen: " + choose(options).backup->label;
    } catch (const Error& error) {
      return error.render();
    }
  }
};

std::string path_of(const Choice& choice) {
  std::string text = choice.backup->label;
  for (const TimelineSpan& span : choice.path) {
    text += format(" {}", span.timeline);
    if (span.end.value != 0) text += "-" + to_string(span.end);
  }
  return text;
}

RestoreOptions options_of(const RecoveryTarget& target, TimelineChoice timeline = {}) {
  RestoreOptions options;
  options.target = target;
  options.timeline = timeline;
  return options;
}

constexpr TimelineChoice number(Timeline timeline) {
  return {TimelineChoice::Kind::number, timeline};
}
constexpr TimelineChoice current{TimelineChoice::Kind::current, 0};

}  // namespace

TEST_CASE("the backup and the timelines follow from the target") {
  World world;
  const auto at_time = [](const char* when, TimelineChoice timeline = {}) {
    return options_of(TimeTarget{*parse_utc(when)}, timeline);
  };
  const auto at_lsn = [](std::uint64_t lsn, TimelineChoice timeline = {}) {
    return options_of(LsnTarget{Lsn{lsn}}, timeline);
  };
  const auto of_set = [](const char* label, RestoreOptions options) {
    options.set = label;
    return options;
  };
  struct Row {
    RestoreOptions options;
    const char* path;
  };
  const Row rows[] = {
      {options_of(RestoreType::latest), "D 3"},
      {options_of(RestoreType::standby), "D 3"},
      {options_of(RestoreType::immediate), "D 3"},
      {options_of(RestoreType::latest, current), "D 3"},
      {options_of(RestoreType::latest, number(3)), "D 3"},
      {options_of(RestoreType::latest, number(2)), "C 2"},
      {options_of(RestoreType::latest, number(1)), "B 1"},
      // Backup B ended after timeline 4 had left: only A is on the way.
      {options_of(RestoreType::latest, number(4)), "A 1-0/3000000 4"},
      {at_time("2026-11-21T04:00:00Z"), "D 3"},
      {at_time("2026-11-21T03:59:59Z"), "C 2-0/8000000 3"},
      {at_time("2026-11-21T02:30:00Z"), "B 1-0/5000000 2-0/8000000 3"},
      {at_time("2026-11-21T02:30:00Z", current), "B 1"},
      {at_time("2026-11-21T05:00:00Z", number(2)), "C 2"},
      {at_lsn(0x9000000), "D 3"},
      {at_lsn(0x8FFFFFF), "C 2-0/8000000 3"},
      {at_lsn(0x4000000, number(1)), "B 1"},
      {at_lsn(0x3FFFFFF, number(1)), "A 1"},
      {of_set("B", options_of(RestoreType::latest)), "B 1-0/5000000 2-0/8000000 3"},
      {of_set("A", options_of(RestoreType::latest, number(4))), "A 1-0/3000000 4"},
      {of_set("A", options_of(RestoreType::immediate)), "A 1"},
      {of_set("C", at_lsn(0x6000000)), "C 2-0/8000000 3"},
  };
  for (const Row& row : rows) CHECK(path_of(world.choose(row.options)) == row.path);
}

TEST_CASE("what no backup can reach is refused with the nearest that one can") {
  World world;
  RestoreOptions early = options_of(TimeTarget{*parse_utc("2026-11-21T00:59:59Z")});
  CHECK_THAT(world.refusal(early),
             Says({"before the end of the oldest backup, A", "2026-11-21T01:00:00Z"}));
  const RestoreOptions low = options_of(LsnTarget{Lsn{0x1000000}}, number(2));
  CHECK_THAT(world.refusal(low), Says({"LSN 0/1000000", "earliest LSN", "0/2000000"}));
  CHECK_THAT(world.refusal(options_of(RestoreType::latest, number(9))),
             Says({"no backup is on the way to timeline 9", "no history in the archive",
                   "--target-timeline=3 restores to timeline 3, with backup D"}));
  RestoreOptions named = options_of(RestoreType::latest, number(4));
  named.set = "B";
  CHECK_THAT(world.refusal(named),
             Says({"backup B is on timeline 1", "left timeline 1 at 0/3000000",
                   "before the backup's end at 0/4000000"}));
  named.set = "D";
  CHECK_THAT(world.refusal(named), Says({"does not descend from timeline 3"}));
  named.set = "nothing";
  CHECK_THAT(world.refusal(named), Says({"there is no backup \"nothing\""}));
  early.set = "C";
  CHECK_THAT(world.refusal(early), Says({"backup C ended at 2026-11-21T03:00:00Z"}));
}

TEST_CASE("a history without WAL is named and not followed") {
  World world;
  const Choice choice = world.choose(options_of(RestoreType::latest));
  REQUIRE(choice.notes.size() == 1);
  CHECK_THAT(choice.notes[0],
             Says({"timeline 4 has a history in the archive", "it left timeline 1 at 0/3000000",
                   "neither WAL nor a backup", "--target-timeline=4"}));
}

TEST_CASE("the branch is chosen before the backup") {
  World world;
  world.wal = {wal_segment_name({4, 3}, kDefaultWalSegmentBytes)};
  // Only A is from before timeline 4 left; that D is newer decides nothing.
  for (const RestoreType type : {RestoreType::latest, RestoreType::standby}) {
    const Choice choice = world.choose(options_of(type));
    CHECK(path_of(choice) == "A 1-0/3000000 4");
    CHECK_THAT(choice.reason, Says({"the newest one on the way to timeline 4"}));
    CHECK(choice.notes.empty());
  }
  CHECK(path_of(world.choose(options_of(RestoreType::immediate))) == "A 1");
  CHECK(path_of(world.choose(options_of(RestoreType::latest, current))) == "A 1");
  CHECK(path_of(world.choose(options_of(RestoreType::latest, number(3)))) == "D 3");
  // A named one goes on where it can, and the plan says that this is another branch.
  RestoreOptions named = options_of(RestoreType::latest);
  named.set = "B";
  const Choice choice = world.choose(named);
  CHECK(path_of(choice) == "B 1-0/5000000 2-0/8000000 3");
  REQUIRE(choice.notes.size() == 1);
  CHECK_THAT(choice.notes[0], Says({"backup B is not on the way to timeline 4, the newest branch",
                                    "left timeline 1 at 0/3000000"}));
  // A transaction that only another branch has is not restored silently.
  const RestoreOptions xid = options_of(XidTarget{777});
  world.found["C"] = Found::yes;
  CHECK_THAT(world.refusal(xid),
             Says({"transaction 777 is not in the archived WAL after any backup on the way",
                   "timeline 3 reaches it: try --target-timeline=3"}));
  world.backups.erase(world.backups.begin());
  CHECK_THAT(world.refusal(options_of(RestoreType::latest)),
             Says({"no backup is on the way to timeline 4, the newest branch",
                   "--target-timeline=3 restores to timeline 3, with backup D"}));
  CHECK_THAT(world.refusal(options_of(RestoreType::immediate)), Says({"--set=D restores to"}));
}

TEST_CASE("what leads to a branch whose history cannot be read is not guessed") {
  World world;
  world.wal = {wal_segment_name({9, 10}, kDefaultWalSegmentBytes)};
  world.unread = {9};
  CHECK_THAT(world.refusal(options_of(RestoreType::latest)),
             Says({"no backup is known to be on the way to timeline 9",
                   "the history of timeline 9 is in the archive, but cannot be read",
                   "--target-timeline=3"}));
  CHECK(path_of(world.choose(options_of(RestoreType::latest, number(3)))) == "D 3");
}

TEST_CASE("transactions and restore points are looked for from the newest backup on") {
  World world;
  RestoreOptions xid = options_of(XidTarget{777});
  CHECK_THAT(world.refusal(xid),
             Says({"transaction 777 is not in the archived WAL after any backup"}));
  world.found["B"] = Found::yes;
  const Choice choice = world.choose(xid);
  CHECK(choice.backup->label == "B");
  CHECK_THAT(choice.reason, Says({"transaction 777 ended after it"}));
  world.found["D"] = Found::unknown;
  CHECK_THAT(world.choose(xid).reason, Says({"it is the newest one", "not known", "--set"}));
  xid.set = "A";
  CHECK_THAT(world.refusal(xid),
             Says({"transaction 777 is not in the archived WAL after backup A"}));
}

TEST_CASE("a server's own latest does not look at descent") {
  const Timelines timelines = three_branches();
  CHECK(timelines.latest_of_server(1) == 4);
  CHECK(timelines.descendants(1, Lsn{0x4000000}) == std::vector<Timeline>{1, 2, 3});
  CHECK(timelines.descendants(3, Lsn{0x9000000}) == std::vector<Timeline>{3});
}

TEST_CASE("what is no history is damage") {
  Timelines timelines;
  for (const char* const text : {"x\n", "1\n", "1\tnothing\n", "2\t0/1\n", "3\t0/1\n",
                                 "1\t0/1\tx\n1\t0/2\tx\n", "0\t0/1\n"}) {
    CHECK_THROWS_AS(timelines.add(2, as_bytes(text), "00000002.history"), DamagedError);
  }
}
