// The branches of random trees of timelines: which backup a restore begins with, and what expire
// leaves, against a model that knows the tree instead of reading it.
#include "engine/wal/branches.hpp"

#include "engine/restore/choose_backup.hpp"
#include "support/made_stanza.hpp"
#include "support/random.hpp"
#include "support/repository.hpp"
#include "support/rounds.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/expire/expire.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>
#include <map>
#include <set>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::test;
using namespace pgcairn::engine;
using std::chrono::hours;

namespace {

bool chance(Random& random, unsigned percent) {
  return below(random, 100) < percent;
}

/// Lives of one cluster that leave each other: restores to a place in the past, old primaries that
/// go on, clones that archive. Each timeline writes segments [begin, end); the one in which it left
/// its parent is its first.
class Tree {
 public:
  explicit Tree(Random& random) : random_(random) {
    lives_[1] = {0, 3, 3, true};
    write(1, 2);
    const std::uint64_t events = 3 + below(random_, 30);
    for (std::uint64_t i = 0; i < events; ++i) {
      time_ += hours(1 + below(random_, 40));
      const Timeline one = any();
      const std::uint64_t what = below(random_, 10);
      if (what < 4) write(one, below(random_, 3));
      if (what >= 4 && what < 8) back_up(one);
      if (what >= 8) leave(one);
    }
    if (chance(random_, 20)) stanza.put_history(90, {{1, 3}});  // nobody is on it
  }

  /// The timelines that lead to `to`, each with the segment within which it was left.
  std::vector<MadeStanza::Left> way(Timeline to) const {
    std::vector<MadeStanza::Left> left;
    for (Timeline at = to; lives_.at(at).parent != 0; at = lives_.at(at).parent)
      left.insert(left.begin(), {lives_.at(at).parent, lives_.at(at).begin});
    return left;
  }
  bool leads(const repo::BackupMarker& backup, Timeline to) const {
    if (backup.timeline == to) return true;
    if (!lives_.at(to).has_history) return false;
    const auto left = way(to);
    bool on_the_way = false;
    for (const MadeStanza::Left& one : left) {
      on_the_way |= one.timeline == backup.timeline;
      // What was left earlier later on was never reached; a backup ends at a segment's start.
      if (on_the_way && one.segment < last_of(backup)) return false;
    }
    return on_the_way;
  }
  /// With something that no other took.
  bool is_end(Timeline timeline) const {
    std::uint64_t taken = 0;
    bool left = false;
    for (const auto& [other, life] : lives_) {
      if (!life.has_history || other <= timeline) continue;
      std::uint64_t limit = UINT64_MAX;
      bool passes = false;
      for (const MadeStanza::Left& one : way(other)) {
        passes |= one.timeline == timeline;
        if (passes) limit = std::min(limit, one.segment);
      }
      if (!passes) continue;
      left = true;
      taken = std::max(taken, limit);
    }
    return !left || lives_.at(timeline).end > taken;
  }
  Timeline newest() const { return lives_.rbegin()->first; }
  std::vector<Timeline> ends() const {
    std::vector<Timeline> all;
    for (const auto& [timeline, life] : lives_) {
      if (is_end(timeline)) all.push_back(timeline);
    }
    return all;
  }
  bool has_history(Timeline timeline) const { return lives_.at(timeline).has_history; }

  /// All segments from the backup's first to the end of the branch.
  bool has_way(const repo::BackupMarker& backup, Timeline end) {
    std::uint64_t from = backup.start_lsn.value / MadeStanza::kSegmentBytes;
    bool passes = false;
    auto left = way(end);
    left.push_back({end, lives_.at(end).end});
    // Where a later one was left earlier, that is where all before it end.
    for (std::size_t i = left.size() - 1; i-- > 0;)
      left[i].segment = std::min(left[i].segment, left[i + 1].segment);
    for (const MadeStanza::Left& one : left) {
      passes |= one.timeline == backup.timeline;
      for (; passes && from < one.segment; ++from) {
        if (!store.store->stat(stanza.wal_key(one.timeline, from))) return false;
      }
    }
    return true;
  }

  Branches branches() {
    BranchSources sources;
    const auto listing =
        repo::StanzaView(store.repository, "main").list_wal(repo::cluster_id(MadeStanza::kCluster));
    for (const std::string& name : listing.segments) note_archived(sources.wal, name);
    for (const std::string& name : listing.histories) {
      Buffer content;
      store.repository.get_wal("main", MadeStanza::kCluster, name,
                               [&](Bytes piece) { content.append(piece); });
      const auto timeline = static_cast<Timeline>(*parse_u64(name.substr(0, 8), 16));
      sources.timelines.add(timeline, content, name);
    }
    for (const repo::BackupMarker& backup : backups)
      sources.backups.push_back({backup.timeline, backup.stop_lsn});
    sources.segment_bytes = MadeStanza::kSegmentBytes;
    return Branches(std::move(sources));
  }

  static std::uint64_t last_of(const repo::BackupMarker& backup) {
    return backup.stop_lsn.value / MadeStanza::kSegmentBytes;
  }

  MemoryRepository store;
  MadeStanza stanza{store.repository};
  std::vector<repo::BackupMarker> backups;  // oldest first
  Timestamp now() const { return time_; }

 private:
  struct Life {
    Timeline parent = 0;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    bool has_history = true;
  };

  Timeline any() {
    auto life = lives_.begin();
    std::advance(life, static_cast<std::ptrdiff_t>(below(random_, lives_.size())));
    return chance(random_, 50) ? newest() : life->first;
  }
  void write(Timeline timeline, std::uint64_t segments) {
    Life& life = lives_.at(timeline);
    for (std::uint64_t i = 0; i < segments; ++i) stanza.put_wal(timeline, life.end++);
  }
  void back_up(Timeline timeline) {
    time_ += hours(1);
    repo::BackupMarker info = stanza.backup(repo::BackupType::full, "", time_);
    const std::uint64_t first = lives_.at(timeline).end;
    write(timeline, 1 + below(random_, 2));
    stanza.set_wal(info, timeline, first, lives_.at(timeline).end - 1);
    stanza.put_data(info, 1);
    stanza.list(info);
    backups.push_back(std::move(info));
  }
  /// Anywhere in what it has, at its end, or within a segment that it will never archive.
  void leave(Timeline parent) {
    const Life& life = lives_.at(parent);
    const std::uint64_t at = life.begin + below(random_, life.end - life.begin + 1);
    const Timeline next = newest() + 1;
    lives_[next] = {parent, at, at, !chance(random_, 10)};
    if (lives_[next].has_history) stanza.put_history(next, way(next));
    write(next, 1 + below(random_, 3));
  }

  Random& random_;
  Timestamp time_ = parse_utc("2026-01-01T00:00:00Z").value();
  std::map<Timeline, Life> lives_;
};

}  // namespace

TEST_CASE(
    "a restore begins with the newest backup on the way to the newest branch, or says why not") {
  Random random(seed());
  int chosen = 0;
  int refused = 0;
  for (int round = 0; round < rounds(1500); ++round) {
    Tree tree(random);
    if (tree.backups.empty()) continue;
    const Branches branches = tree.branches();
    INFO("round " << round);
    std::vector<Timeline> ends = tree.ends();
    std::reverse(ends.begin(), ends.end());
    REQUIRE(branches.tips() == ends);
    const ChoiceSources sources{
        [&](const repo::BackupMarker&) -> const Branches& { return branches; },
        [](const repo::BackupMarker&, const std::vector<TimelineSpan>&) { return Found::no; }};
    const RestoreType types[] = {RestoreType::latest, RestoreType::immediate, RestoreType::standby,
                                 RestoreType::none};
    RestoreOptions options;
    const RestoreType type = types[below(random, 4)];
    options.target = type;
    Timeline wanted = tree.newest();
    const bool number = type == RestoreType::latest && chance(random, 50);
    if (number) {
      wanted = ends[below(random, ends.size())];
      options.timeline = {TimelineChoice::Kind::number, wanted};
    }
    const auto best =
        std::find_if(tree.backups.rbegin(), tree.backups.rend(),
                     [&](const repo::BackupMarker& one) { return tree.leads(one, wanted); });
    std::optional<Choice> choice;
    try {
      choice = choose_backup(tree.backups, options, sources);
    } catch (const Error& error) {
      INFO(error.render());
      REQUIRE(best == tree.backups.rend());
      REQUIRE(error.message().find(format("timeline {}", wanted)) != std::string::npos);
      ++refused;
      continue;
    }
    REQUIRE(best != tree.backups.rend());
    REQUIRE(choice->backup->label == best->label);
    const bool goes_on = type == RestoreType::latest || type == RestoreType::standby;
    REQUIRE(choice->path.back().timeline == (goes_on ? wanted : best->timeline));
    ++chosen;
  }
  CHECK(chosen > rounds(500));
  CHECK(refused > rounds(50));
}

TEST_CASE("expire leaves a way to each branch, and what counts counts on the newest one") {
  Random random(seed());
  std::size_t removed = 0;
  std::size_t several = 0;
  for (int round = 0; round < rounds(1000); ++round) {
    Tree tree(random);
    if (tree.backups.empty()) continue;
    const auto count = 1 + static_cast<std::uint32_t>(below(random, 3));
    ExpireOptions options;
    options.allow_mass_removal = true;
    if (chance(random, 50))
      options.policy.keep_last = count;
    else if (chance(random, 50))
      options.policy.full = count;
    else
      options.policy.keep_daily = count;
    if (chance(random, 50)) options.policy.archive = 1;
    options.when = tree.now() + hours(1);
    NoProgress progress;
    const auto result = expire("main", tree.store.repository, options, progress, {});
    INFO("round " << round);
    std::vector<repo::BackupMarker> kept;
    for (const repo::BackupMarker& backup : tree.backups) {
      if (tree.store.store->stat(repo::marker_key("main", backup.label))) kept.push_back(backup);
    }
    removed += tree.backups.size() - kept.size();
    several += tree.ends().size() > 1;
    for (const Timeline end : tree.ends()) {
      const auto leads = [&](const repo::BackupMarker& one) { return tree.leads(one, end); };
      if (std::none_of(tree.backups.begin(), tree.backups.end(), leads)) continue;
      INFO("timeline " << end);
      const auto one = std::find_if(kept.rbegin(), kept.rend(), leads);
      REQUIRE(one != kept.rend());
      REQUIRE(tree.has_way(*one, end));
    }
    // As many as the rule says are on the way to the newest branch, whatever was taken elsewhere.
    const auto counts = [&](const repo::BackupMarker& one) {
      return tree.leads(one, tree.newest());
    };
    if (!tree.has_history(tree.newest())) continue;
    const auto all = std::count_if(tree.backups.begin(), tree.backups.end(), counts);
    const auto left = std::count_if(kept.begin(), kept.end(), counts);
    if (!options.policy.keep_daily) REQUIRE(left >= std::min<std::ptrdiff_t>(all, count));
    REQUIRE(expire("main", tree.store.repository, options, progress, {}).removed_objects == 0);
  }
  CHECK(removed > rounds(300));
  CHECK(several > rounds(300));
}
