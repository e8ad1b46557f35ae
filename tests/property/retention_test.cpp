// Retention and expire against models that are written differently: by counting, backup by backup
// and segment by segment.
#include "support/made_stanza.hpp"
#include "support/random.hpp"
#include "support/repository.hpp"
#include "support/rounds.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/expire/expire.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/records.hpp>
#include <pgcairn/repo/retention.hpp>

#include <algorithm>
#include <map>
#include <set>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::test;
using repo::BackupType;
using repo::RetentionBackup;
using repo::RetentionPolicy;
using std::chrono::hours;

namespace {

constexpr auto kDay = hours(24);

bool chance(Random& random, unsigned percent) {
  return below(random, 100) < percent;
}

// --- retention alone ---------------------------------------------------------------------------

struct History {
  std::vector<RetentionBackup> backups;
  Timestamp now;
};

/// Backups at intervals of minutes to weeks, by clocks that are set forward and back.
History random_history(Random& random) {
  History history;
  Timestamp label_time = parse_utc("2025-10-01T00:00:00Z").value();
  milliseconds wrong{0};
  const std::uint64_t count = below(random, 25);
  for (std::uint64_t i = 0; i < count; ++i) {
    label_time += std::chrono::minutes(1 + below(random, chance(random, 50) ? 600 : 15000));
    if (chance(random, 5)) wrong = hours(below(random, 20000)) - hours(10000);
    if (chance(random, 20)) wrong = hours(0);
    RetentionBackup backup;
    backup.label = repo::full_backup_label(label_time);
    backup.type = static_cast<BackupType>(below(random, 3));
    backup.cluster = i < count / 3 && count % 2 == 0 ? "15-1" : "17-2";
    backup.stop_time = label_time + wrong;
    backup.damaged = chance(random, 10);
    if (chance(random, 5)) backup.holds = {"audit"};
    history.backups.push_back(std::move(backup));
  }
  history.now = label_time + hours(below(random, 100)) + (chance(random, 80) ? hours(0) : wrong);
  return history;
}

RetentionPolicy random_policy(Random& random) {
  RetentionPolicy policy;
  const auto count = [&](RetentionPolicy::Count& into, unsigned percent) {
    if (chance(random, percent)) into = 1 + static_cast<std::uint32_t>(below(random, 8));
  };
  count(policy.full, 30);
  policy.full_in_days = chance(random, 50);
  count(policy.diff, 20);
  count(policy.archive, 50);
  policy.archive_unit = static_cast<repo::ArchiveUnit>(below(random, 4));
  count(policy.keep_last, 20);
  if (chance(random, 20)) policy.keep_within = hours(below(random, 500));
  count(policy.keep_hourly, 20);
  count(policy.keep_daily, 20);
  count(policy.keep_weekly, 20);
  count(policy.keep_monthly, 20);
  count(policy.keep_quarterly, 20);
  count(policy.keep_yearly, 20);
  if (chance(random, 20)) policy.max_age = hours(below(random, 2000));
  count(policy.keep_min, 20);
  if (chance(random, 20)) policy.keep_min_age = hours(below(random, 500));
  const auto offset = std::chrono::minutes(30 * below(random, 48)) - hours(12);
  policy.offset_at = [offset](Timestamp) { return offset; };
  return policy;
}

/// The rules as pgcairn-expire(1) tells them, asked for one backup at a time.
class Model {
 public:
  Model(const History& history, const RetentionPolicy& policy)
      : all_(history.backups), now_(history.now), policy_(policy) {
    for (const RetentionBackup& backup : all_) {
      if (good(backup)) reference_ = backup.stop_time;
    }
  }

  std::vector<bool> kept() const {
    std::vector<bool> kept(all_.size(), true);
    const bool any = keeps_by_rule() || policy_.max_age;
    if (!any) return kept;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      const bool too_old =
          policy_.max_age && reference_ - all_[i].stop_time > policy_.max_age->time;
      kept[i] = (!too_old && (!keeps_by_rule() || by_rule(i))) || always(i);
    }
    if (policy_.keep_min) {
      for (std::size_t i = all_.size(); i-- > 0;) {
        std::size_t left = 0;
        for (std::size_t j = 0; j < all_.size(); ++j) left += good(all_[j]) && kept[j] ? 1 : 0;
        if (left < *policy_.keep_min && good(all_[i])) kept[i] = true;
      }
    }
    return kept;
  }

 private:
  bool good(const RetentionBackup& one) const { return !one.damaged && one.stop_time <= now_; }
  template <class Wanted>
  std::size_t newer(std::size_t i, Wanted&& wanted) const {
    return static_cast<std::size_t>(
        std::count_if(all_.begin() + static_cast<std::ptrdiff_t>(i) + 1, all_.end(),
                      [&](const auto& one) { return good(one) && wanted(one); }));
  }

  bool keeps_by_rule() const {
    return policy_.full || policy_.diff || policy_.keep_last || policy_.keep_within ||
           policy_.keep_hourly || policy_.keep_daily || policy_.keep_weekly ||
           policy_.keep_monthly || policy_.keep_quarterly || policy_.keep_yearly;
  }

  bool by_rule(std::size_t i) const {
    const RetentionBackup& one = all_[i];
    if (policy_.keep_last && newer(i, [](const auto&) { return true; }) < *policy_.keep_last)
      return true;
    if (policy_.keep_within && reference_ - one.stop_time <= policy_.keep_within->time) return true;
    return by_full_and_diff(i) || by_calendar(i);
  }

  bool by_full_and_diff(std::size_t i) const {
    if (!policy_.full && !policy_.diff) return false;
    const auto full = [](const auto& other) { return other.type == BackupType::full; };
    const auto not_incremental = [](const auto& other) {
      return other.type != BackupType::incremental;
    };
    if (policy_.full && policy_.full_in_days) {
      const auto old = [&](const auto& other) {
        return full(other) && reference_ - other.stop_time >= std::chrono::days(*policy_.full);
      };
      if (newer(i, old) > 0) return false;
    } else if (policy_.full && newer(i, full) >= *policy_.full) {
      return false;
    }
    return full(all_[i]) || !policy_.diff || newer(i, not_incremental) < *policy_.diff;
  }

  /// Periods by plain arithmetic: the number of the hour, day, week (from a Monday on), and the
  /// date's parts.
  std::int64_t period(const RetentionBackup& one, int rule) const {
    const Timestamp local = one.stop_time + policy_.offset_at(one.stop_time);
    const auto day = std::chrono::floor<std::chrono::days>(local);
    const std::chrono::year_month_day date(day);
    switch (rule) {
      case 0:
        return std::chrono::floor<hours>(local).time_since_epoch().count();
      case 1:
        return day.time_since_epoch().count();
      case 2:
        return std::chrono::floor<std::chrono::weeks>(day + std::chrono::days(3))
            .time_since_epoch()
            .count();
      case 3:
        return static_cast<int>(date.year()) * 12 + static_cast<int>(unsigned(date.month()));
      case 4:
        return static_cast<int>(date.year()) * 4 +
               static_cast<int>((unsigned(date.month()) - 1) / 3);
      default:
        return static_cast<int>(date.year());
    }
  }

  bool by_calendar(std::size_t i) const {
    if (!good(all_[i])) return false;
    const RetentionPolicy::Count counts[] = {policy_.keep_hourly,    policy_.keep_daily,
                                             policy_.keep_weekly,    policy_.keep_monthly,
                                             policy_.keep_quarterly, policy_.keep_yearly};
    for (int rule = 0; rule < 6; ++rule) {
      if (!counts[rule]) continue;
      std::set<std::int64_t> later;
      for (std::size_t j = i + 1; j < all_.size(); ++j) {
        if (good(all_[j])) later.insert(period(all_[j], rule));
      }
      if (!later.contains(period(all_[i], rule)) && later.size() < *counts[rule]) return true;
    }
    return false;
  }

  bool always(std::size_t i) const {
    const RetentionBackup& one = all_[i];
    if (i + 1 == all_.size() || one.stop_time > now_ || !one.holds.empty()) return true;
    if (policy_.keep_min_age && reference_ - one.stop_time <= policy_.keep_min_age->time)
      return true;
    return good(one) &&
           newer(i, [&](const auto& other) { return other.cluster == one.cluster; }) == 0;
  }

  const std::vector<RetentionBackup>& all_;
  Timestamp now_;
  const RetentionPolicy& policy_;
  Timestamp reference_{};
};

}  // namespace

TEST_CASE("retention does what its rules say, for any history and policy") {
  Random random(seed());
  std::uint64_t removed = 0;
  std::uint64_t kept = 0;
  for (int round = 0; round < rounds(5000); ++round) {
    const History history = random_history(random);
    const RetentionPolicy policy = random_policy(random);
    const auto verdicts = repo::apply_retention(history.backups, policy, history.now);
    REQUIRE(verdicts.size() == history.backups.size());
    const std::vector<bool> expected = Model(history, policy).kept();
    for (std::size_t i = 0; i < verdicts.size(); ++i) {
      INFO("round " << round << ", backup " << i << ": " << verdicts[i].reasons.front());
      REQUIRE(verdicts[i].keep == expected[i]);
      REQUIRE((verdicts[i].keep || !verdicts[i].continuous_wal));
      ++(verdicts[i].keep ? kept : removed);
    }
    // The newest that stays can always be recovered to the end of the archive.
    REQUIRE((verdicts.empty() || verdicts.back().continuous_wal));
  }
  CHECK(removed > rounds(1000));
  CHECK(kept > rounds(1000));
}

// --- mass removal ------------------------------------------------------------------------------

namespace {

/// A good backup that is made `apart` after the one before.
void add_backup(std::vector<RetentionBackup>& backups, BackupType type, Timestamp when) {
  RetentionBackup backup;
  backup.label = repo::full_backup_label(when);
  backup.type = type;
  backup.cluster = "15-1";
  backup.stop_time = when;
  backups.push_back(std::move(backup));
}

std::size_t expire_by(std::vector<RetentionBackup>& backups, const RetentionPolicy& policy,
                      Timestamp when) {
  const auto verdicts = repo::apply_retention(backups, policy, when);
  std::vector<RetentionBackup> kept;
  for (std::size_t i = 0; i < backups.size(); ++i) {
    if (verdicts[i].keep) kept.push_back(backups[i]);
  }
  const std::size_t removed = backups.size() - kept.size();
  backups = std::move(kept);
  return removed;
}

}  // namespace

TEST_CASE("an expire after each backup by the same rules never removes most of them at once") {
  Random random(seed());
  std::uint64_t removed = 0;
  for (int life = 0; life < rounds(300); ++life) {
    const RetentionPolicy policy = random_policy(random);
    const std::uint64_t per_full = 1 + below(random, 10);
    const std::uint64_t longest_pause = 2 + below(random, 90);
    std::vector<RetentionBackup> backups;
    Timestamp when = parse_utc("2025-10-01T00:00:00Z").value();
    for (std::uint64_t made = 0; made < 60; ++made) {
      when += hours(1 + below(random, longest_pause));
      if (chance(random, 2)) when += hours(24 * 40);  // nobody looked for a while
      const bool full = made % per_full == 0;
      const BackupType type = full                 ? BackupType::full
                              : chance(random, 30) ? BackupType::differential
                                                   : BackupType::incremental;
      add_backup(backups, type, when);
      INFO("life " << life << ", backup " << made << " of " << backups.size());
      REQUIRE_FALSE(repo::find_mass_removal(backups, policy, when));
      removed += expire_by(backups, policy, when);
    }
  }
  CHECK(removed > rounds(1000));
}

TEST_CASE("rules that became much narrower are found out, whatever is newest") {
  Random random(seed());
  for (int life = 0; life < rounds(300); ++life) {
    const auto wide = 5 + static_cast<std::uint32_t>(below(random, 40));
    const auto narrow = 1 + static_cast<std::uint32_t>(below(random, (wide - 1) / 2));
    const std::uint64_t per_full = 1 + below(random, 10);
    const bool by_days = chance(random, 50);
    const auto rule = by_days ? &RetentionPolicy::keep_daily : &RetentionPolicy::keep_last;
    RetentionPolicy policy;
    policy.*rule = wide;
    std::vector<RetentionBackup> backups;
    Timestamp when = parse_utc("2025-10-01T12:00:00Z").value();
    for (std::uint64_t made = 0; made < wide + below(random, 20); ++made) {
      when += kDay;
      add_backup(backups, made % per_full == 0 ? BackupType::full : BackupType::incremental, when);
      expire_by(backups, policy, when);
    }
    while (backups.size() <= wide) {
      when += kDay;
      add_backup(backups, BackupType::full, when);
    }
    RetentionPolicy slip;
    slip.*rule = narrow;
    const auto found = repo::find_mass_removal(backups, slip, when);
    INFO("life " << life << ": from " << wide << " to " << narrow);
    REQUIRE(found);
    CHECK(found->stored == backups.size());
    CHECK(found->most_kept == narrow);
    CHECK(found->removed == backups.size() - narrow);
    // In the wrong unit: hours instead of days leave the newest alone.
    RetentionPolicy hours_for_days;
    hours_for_days.keep_within = hours(wide % 24);
    CHECK(repo::find_mass_removal(backups, hours_for_days, when));
  }
}

namespace {

// --- expire on a made-up stanza ------------------------------------------------------------------

/// A cluster's life: WAL, promotions, backups, interruptions; and what each backup needs, by
/// looking.
class Life {
 public:
  explicit Life(Random& random) : random_(random) {
    const std::uint64_t events = 5 + below(random_, 40);
    write_wal(2);
    for (std::uint64_t i = 0; i < events; ++i) {
      time_ += hours(1 + below(random_, 60));
      const std::uint64_t what = below(random_, 10);
      if (what < 4) write_wal(below(random_, 4));
      if (what >= 4 && what < 8) back_up();
      if (what == 8) interrupt();
      if (what == 9) promote();
    }
  }

  /// Everything that this backup names is there.
  void check_whole(const repo::BackupMarker& backup) {
    for (const repo::PackRange& range : backup.packs) {
      for (std::uint32_t pack = range.first; pack <= range.last; ++pack)
        REQUIRE(has(repo::pack_key("main", range.backup, pack)));
    }
    REQUIRE(has(repo::manifest_key("main", backup.label, 0)));
    for (std::uint64_t n = first_of(backup); n <= last_of(backup); ++n)
      REQUIRE(has(stanza.wal_key(backup.timeline, n)));
  }

  /// From this backup on, recovery to any timeline finds all segments that were ever there.
  void check_recovery(const repo::BackupMarker& backup) {
    for (const auto& [timeline, path] : paths_) {
      for (std::uint64_t n = first_of(backup); n <= ends_[timeline]; ++n) {
        if (!reaches(backup, timeline)) continue;
        const Timeline on = timeline_at(timeline, n);
        if (written_.contains({on, n})) REQUIRE(has(stanza.wal_key(on, n)));
      }
    }
  }

  /// Is this segment of use to a recovery from the backup on to any timeline?
  bool needs(const repo::BackupMarker& backup, Timeline timeline, std::uint64_t n) const {
    return reaches(backup, timeline) && n >= first_of(backup);
  }

  bool has(const std::string& key) { return store.store->stat(key).has_value(); }
  std::uint64_t first_of(const repo::BackupMarker& info) const {
    return info.start_lsn.value / MadeStanza::kSegmentBytes;
  }
  std::uint64_t last_of(const repo::BackupMarker& info) const {
    return info.stop_lsn.value / MadeStanza::kSegmentBytes;
  }

  MemoryRepository store;
  MadeStanza stanza{store.repository};
  std::map<std::string, repo::BackupMarker> backups;
  std::vector<std::string> interrupted;
  Timestamp now() const { return time_; }
  const std::set<std::pair<Timeline, std::uint64_t>>& written() const { return written_; }

 private:
  void write_wal(std::uint64_t segments) {
    for (std::uint64_t i = 0; i < segments; ++i, ++position_) {
      stanza.put_wal(current_, position_);
      written_.insert({current_, position_});
      ends_[current_] = position_;
    }
  }

  void back_up() {
    BackupType type = static_cast<BackupType>(below(random_, 3));
    if (backups.empty()) type = BackupType::full;
    const std::string prior = type == BackupType::full ? "" : newest_;
    repo::BackupMarker info = stanza.backup(type, prior, time_);
    const std::uint64_t first = position_;
    write_wal(1 + below(random_, 3));
    stanza.set_wal(info, current_, first, position_ - 1);
    stanza.put_data(info, static_cast<std::uint32_t>(below(random_, 8)));
    if (!prior.empty()) name_some_of(backups.at(prior), info);
    if (type == BackupType::full && !interrupted.empty() && interrupted.back() > newest_ &&
        interrupted.back().size() == info.label.size()) {
      info.packs.push_back({interrupted.back(), 0, 0});
    }
    stanza.list(info);
    if (chance(random_, 10)) {
      repo::VerifyRecord found;
      found.level = "full";
      found.backups = found.damaged = {info.label};
      repo::add_record(store.repository, "main", found);
    }
    if (chance(random_, 10)) {
      const repo::HoldRecord hold{info.label, "audit", {}};
      repo::add_record(store.repository, "main", hold);
    }
    newest_ = info.label;
    backups.emplace(info.label, std::move(info));
  }

  void name_some_of(const repo::BackupMarker& prior, repo::BackupMarker& info) {
    for (const repo::PackRange& range : prior.packs) {
      for (std::uint32_t pack = range.first; pack <= range.last; ++pack) {
        if (chance(random_, 40)) continue;
        // As markers tell them: packs that follow each other are one range.
        repo::PackRange& last = info.packs.empty() ? none_ : info.packs.back();
        if (last.backup == range.backup && last.last + 1 == pack) {
          last.last = pack;
        } else {
          info.packs.push_back({range.backup, pack, pack});
        }
      }
    }
  }

  void interrupt() {
    interrupted.push_back(repo::full_backup_label(time_));
    stanza.put_data(interrupted.back(), 2);
  }

  /// At the end of the archive, or after a recovery to an earlier place of the current timeline.
  void promote() {
    const std::uint64_t begin = begins_[current_];
    std::uint64_t at = position_ - 1;
    if (at > begin && chance(random_, 50)) at = begin + below(random_, at - begin + 1);
    const Timeline next = paths_.rbegin()->first + 1;
    std::vector<MadeStanza::Left> path = paths_[current_];
    path.push_back({current_, at});
    // The history may have been lost.
    if (chance(random_, 90)) stanza.put_history(next, path);
    paths_[next] = path;
    current_ = next;
    begins_[next] = at;
    position_ = at;
    write_wal(2);
  }

  Timeline timeline_at(Timeline to, std::uint64_t n) const {
    for (const MadeStanza::Left& left : paths_.at(to)) {
      if (n < left.segment) return left.timeline;
    }
    return to;
  }
  bool reaches(const repo::BackupMarker& backup, Timeline to) const {
    if (backup.timeline == to) return true;
    for (const MadeStanza::Left& left : paths_.at(to)) {
      // It was left in the middle of its segment, and a backup ends near the start of one.
      if (left.timeline == backup.timeline) return left.segment >= last_of(backup);
    }
    return false;
  }

  Random& random_;
  repo::PackRange none_;
  Timestamp time_ = parse_utc("2026-01-01T00:00:00Z").value();
  Timeline current_ = 1;
  std::uint64_t position_ = 3;
  std::string newest_;
  std::map<Timeline, std::vector<MadeStanza::Left>> paths_ = {{1, {}}};
  std::map<Timeline, std::uint64_t> begins_ = {{1, 3}};
  std::map<Timeline, std::uint64_t> ends_;
  std::set<std::pair<Timeline, std::uint64_t>> written_;
};

engine::ExpireResult expire(Life& life, const engine::ExpireOptions& options) {
  engine::NoProgress progress;
  return engine::expire("main", life.store.repository, options, progress, {});
}

/// The packs that a listed backup names, by key.
std::set<std::string> named_packs(Life& life, const std::set<std::string>& listed) {
  std::set<std::string> named;
  for (const std::string& label : listed) {
    for (const repo::PackRange& range : life.backups.at(label).packs) {
      for (std::uint32_t pack = range.first; pack <= range.last; ++pack)
        named.insert(repo::pack_key("main", range.backup, pack));
    }
  }
  return named;
}

}  // namespace

TEST_CASE("no kept backup lacks an object or a WAL segment, and nothing stays that none needs") {
  Random random(seed());
  std::uint64_t removed = 0;
  for (int round = 0; round < rounds(1500); ++round) {
    Life life(random);
    engine::ExpireOptions options;
    options.allow_mass_removal = true;
    options.policy = random_policy(random);
    options.policy.keep_last = 1 + static_cast<std::uint32_t>(below(random, 4));
    options.when = life.now() + hours(1 + below(random, 400));
    const engine::ExpireResult result = expire(life, options);
    removed += result.removed_objects;
    INFO("round " << round);

    std::set<std::string> listed;
    std::set<std::string> continuous;
    for (const std::string& label : life.store.repository.backup_labels("main"))
      listed.insert(label);
    for (const engine::ExpiredBackup& backup : result.plan.backups)
      REQUIRE(backup.keep == listed.contains(backup.label));
    std::vector<RetentionBackup> kept;
    for (const auto& [label, info] : life.backups) {
      if (!listed.contains(label)) continue;
      life.check_whole(info);
      kept.push_back({label, info.type, info.cluster, info.stop_time, false, {}});
    }
    for (const engine::ExpiredBackup& backup : result.plan.backups) {
      // What is only the way to a branch needs what leads there, and no more.
      const bool only_way = backup.reasons.front().starts_with("the last one on the way");
      if (!options.policy.archive && backup.keep && !only_way) continuous.insert(backup.label);
    }
    // With it, the newest that stays can always go on.
    if (!kept.empty()) {
      std::string newest;
      for (const std::string& label : listed) {
        if (newest.empty() || repo::label_time(label) > repo::label_time(newest)) newest = label;
      }
      life.check_recovery(life.backups.at(newest));
    }
    for (const std::string& label : continuous) life.check_recovery(life.backups.at(label));

    const std::set<std::string> named = named_packs(life, listed);
    for (const std::string& key : keys(*life.store.store, "main/data/")) {
      const std::string label = split(key, '/')[2];
      const bool left = std::find(life.interrupted.begin(), life.interrupted.end(), label) !=
                        life.interrupted.end();
      if (!listed.contains(label) && !left) REQUIRE(named.contains(key));
      if (left && options.when - life.now() > 8 * kDay) REQUIRE(named.contains(key));
    }
    if (!options.policy.archive && !listed.empty()) {
      for (const auto& [timeline, segment] : life.written()) {
        if (!life.has(life.stanza.wal_key(timeline, segment))) continue;
        const bool known =
            timeline == 1 || life.has(repo::wal_key("main", repo::cluster_id(MadeStanza::kCluster),
                                                    format("{:08X}.history", timeline)));
        const bool needed =
            std::any_of(listed.begin(), listed.end(),
                        [&, at = std::pair(timeline, segment)](const auto& label) {
                          return life.needs(life.backups.at(label), at.first, at.second);
                        });
        // That of the newest timeline stays, though no backup may lead to it.
        const bool newest = timeline == std::prev(life.written().end())->first;
        if (known && !newest) REQUIRE(needed);
      }
    }
    // All is done at once, but for a branch that ended with what was removed: the next run removes
    // what was kept for it.
    int runs = 1;
    while (expire(life, options).removed_objects != 0) REQUIRE(++runs < 3);
    for (const std::string& label : life.store.repository.backup_labels("main"))
      life.check_whole(life.backups.at(label));
  }
  CHECK(removed > rounds(10'000));
}
