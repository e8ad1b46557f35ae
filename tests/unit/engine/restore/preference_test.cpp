#include "engine/restore/preference.hpp"

#include "engine/wal/trace.hpp"
#include "support/random.hpp"
#include "support/rounds.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <set>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

constexpr std::uint64_t kBytes = kDefaultWalSegmentBytes;

/// Backups in segments of one timeline, and what is archived of it.
struct World {
  std::vector<repo::BackupMarker> backups;
  std::set<std::uint64_t> archived;
  Flaws flaws;

  void backup(const std::string& label, std::uint64_t segment, Flaw::Kind flaw) {
    repo::BackupMarker info;
    info.label = label;
    info.cluster = "15-1";
    info.timeline = 1;
    info.wal_segment_bytes = kBytes;
    info.wal_start = info.wal_stop = wal_segment_name({1, segment}, kBytes);
    info.start_lsn = Lsn{segment * kBytes + 0x28};
    info.stop_lsn = Lsn{segment * kBytes + 0x100};
    info.stop_time = Timestamp(std::chrono::minutes(segment));
    if (flaw == Flaw::Kind::pages) {
      info.page_errors = {{"base/5/1234", {7}, 1}};
    } else if (flaw != Flaw::Kind::none) {
      flaws[label] = {flaw, "a pack is missing"};
    }
    backups.push_back(std::move(info));
  }

  WalReach reach(const repo::BackupMarker& backup, const std::vector<TimelineSpan>& path) const {
    const ArchivedNames names{[this](const std::string& segment) {
                                return archived.contains(number_of(segment, kBytes))
                                           ? std::vector<std::string>{"here"}
                                           : std::vector<std::string>();
                              },
                              [this](const std::string& from, const std::string& limit) {
                                const auto at = archived.lower_bound(number_of(from, kBytes));
                                if (at == archived.end()) return std::string();
                                const std::string name = wal_segment_name({1, *at}, kBytes);
                                return name < limit ? name : std::string();
                              },
                              [](const std::string&) { return false; }};
    return trace_wal(names, path, number_of(backup.wal_start, kBytes), kBytes);
  }

  Preferred choose(const RestoreOptions& options) {
    BranchSources of;
    for (const repo::BackupMarker& one : backups)
      of.backups.push_back({one.timeline, one.stop_lsn});
    const Branches branches(std::move(of));
    const ChoiceSources sources{
        [&](const repo::BackupMarker&) -> const Branches& { return branches; },
        [](const repo::BackupMarker&, const std::vector<TimelineSpan>&) { return Found::yes; }};
    return prefer_whole(
        backups, flaws, options, sources,
        [this](const repo::BackupMarker& backup, const std::vector<TimelineSpan>& path) {
          return reach(backup, path);
        });
  }

  /// "B" for the chosen one, and "B, not D C" with those that were passed over.
  std::string chosen(RestoreType type = RestoreType::latest, const std::string& set = {}) {
    RestoreOptions options;
    options.target = type;
    options.set = set;
    const Preferred best = choose(options);
    std::string text = best.choice.backup->label;
    for (auto one = best.passed_over.rbegin(); one != best.passed_over.rend(); ++one)
      text += format("{} {}", one == best.passed_over.rbegin() ? ", not" : "", one->substr(7, 1));
    return text;
  }
};

using Kind = Flaw::Kind;

World of(std::vector<Kind> flaws, std::set<std::uint64_t> archived) {
  World world;
  world.archived = std::move(archived);
  for (std::size_t i = 0; i < flaws.size(); ++i)
    world.backup(std::string(1, static_cast<char>('A' + i)), 3 + 2 * i, flaws[i]);
  return world;
}

}  // namespace

TEST_CASE("the first damaged page is named with its relation, if that is known") {
  repo::BackupMarker backup;
  backup.page_errors = {{"base/16384/16390", {7, 9}, 2}};
  CHECK(first_damaged_page(backup) == "block 7 of base/16384/16390");
  backup.page_errors[0].relation = NamedRelation{"shop", "public", "orders", "table", "", ""};
  CHECK(first_damaged_page(backup) ==
        "block 7 of base/16384/16390 (table public.orders in database shop)");
  CHECK(page_flaw(backup).reason ==
        "2 pages of the cluster were damaged when they were copied, the first: block 7 of "
        "base/16384/16390 (table public.orders in database shop)");
  backup.page_errors[0].blocks.clear();
  backup.page_errors[0].relation.reset();
  CHECK(first_damaged_page(backup) == "base/16384/16390");
}

TEST_CASE("a whole backup that leads to the same place is better than a newer one with a flaw") {
  const std::set<std::uint64_t> all = {3, 4, 5, 6, 7, 8, 9};
  CHECK(of({Kind::none, Kind::none, Kind::none}, all).chosen() == "C");
  CHECK(of({Kind::none, Kind::none, Kind::pages}, all).chosen() == "B, not C");
  CHECK(of({Kind::none, Kind::damaged, Kind::lacking}, all).chosen() == "A, not C B");
  // Damaged pages are better than missing ones, and nothing is better than the best there is.
  CHECK(of({Kind::pages, Kind::damaged, Kind::lacking}, all).chosen() == "A, not C B");
  CHECK(of({Kind::damaged, Kind::pages, Kind::pages}, all).chosen() == "C");
  CHECK(of({Kind::none, Kind::pages, Kind::pages}, all).chosen() == "A, not C B");
  // WAL is missing between: the older one does not lead there.
  CHECK(of({Kind::none, Kind::none, Kind::pages}, {3, 4, 5, 7, 8}).chosen() == "C");
  CHECK(of({Kind::none, Kind::pages, Kind::lacking}, {3, 5, 6, 7, 8}).chosen() == "B, not C");
  // A hole after all of them is the same for each.
  CHECK(of({Kind::none, Kind::none, Kind::pages}, {3, 4, 5, 6, 7, 9}).chosen() == "B, not C");
}

TEST_CASE("a backup that was named stays, and one whose end is the target") {
  World world = of({Kind::none, Kind::none, Kind::pages}, {3, 4, 5, 6, 7, 8});
  CHECK(world.chosen(RestoreType::latest, "C") == "C");
  CHECK(world.chosen(RestoreType::immediate) == "C");
  CHECK(world.chosen(RestoreType::none) == "C");
  CHECK(world.chosen(RestoreType::standby) == "B, not C");
  RestoreOptions options;
  const Preferred best = world.choose(options);
  CHECK(best.choice.reason == "it is the newest whole one that reaches the same end as backup C");
  CHECK(best.passed_over.front() ==
        "backup C is skipped: 1 page of the cluster was damaged when it was copied: block 7 of "
        "base/5/1234");
}

TEST_CASE("of random backups and archives, none is chosen while a better one leads as far",
          "[property]") {
  test::Random random(test::seed());
  for (int run = 0; run < test::rounds(2000); ++run) {
    World world;
    const auto count = 1 + test::below(random, 6);
    for (std::uint64_t i = 0; i < count; ++i) {
      world.backup(std::string(1, static_cast<char>('A' + i)), 3 + 2 * i,
                   static_cast<Kind>(test::below(random, 4)));
    }
    for (std::uint64_t number = 3; number < 20; ++number)
      if (test::below(random, 5) != 0) world.archived.insert(number);
    const Preferred best = world.choose({});
    const std::vector<TimelineSpan> path = {{1, {}, {}}};
    const Lsn end = world.reach(world.backups.back(), path).end;
    const repo::BackupMarker* wanted = &world.backups.back();
    for (auto backup = world.backups.rbegin(); backup != world.backups.rend(); ++backup) {
      if (world.reach(*backup, path).end < end) continue;
      if (flaw_of(*backup, world.flaws).kind < flaw_of(*wanted, world.flaws).kind)
        wanted = &*backup;
    }
    CHECK(best.choice.backup->label == wanted->label);
    CHECK(best.flaw.kind == flaw_of(*wanted, world.flaws).kind);
    CHECK(best.passed_over.empty() == (wanted == &world.backups.back()));
  }
}
