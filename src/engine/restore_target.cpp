#include "restore_target.hpp"

#include "recovery_settings.hpp"
#include "restore_preference.hpp"
#include "wal_archive.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>

namespace pgcairn::engine {

bool has_target(RestoreType type) {
  switch (type) {
    case RestoreType::immediate:
    case RestoreType::time:
    case RestoreType::xid:
    case RestoreType::lsn:
    case RestoreType::name:
      return true;
    default:
      return false;
  }
}

namespace {

constexpr const char* kSwitchHint =
    "if the cluster still runs, \"SELECT pg_switch_wal()\" there brings its latest WAL into the "
    "archive: then try again; ";

constexpr std::size_t kMostProved = 64;  // segments
// Where what is found on the way is only named: reading all of it may take longer than the restore.
constexpr std::size_t kMostFollowed = 64;

/// The archives of the stanza's clusters, each listed when it is asked for.
class Archives {
 public:
  Archives(std::string stanza, std::span<repo::Repository> repositories)
      : stanza_(std::move(stanza)), repositories_(repositories) {}

  WalArchive& of(const repo::BackupInfo& backup) {
    auto& archive = archives_[backup.cluster];
    if (!archive) {
      archive = std::make_unique<WalArchive>(
          stanza_, repo::Cluster{backup.system_id, backup.pg_version}, repositories_);
    }
    return *archive;
  }

 private:
  std::string stanza_;
  std::span<repo::Repository> repositories_;
  std::map<std::string, std::unique_ptr<WalArchive>> archives_;
};

ChoiceSources sources_of(Archives& archives, const RestoreOptions& options) {
  return {[&](const repo::BackupInfo& backup) -> const Timelines& {
            return archives.of(backup).timelines();
          },
          [&](const repo::BackupInfo& backup, const std::vector<TimelineSpan>& path) {
            return archives.of(backup).search(options, backup, path);
          }};
}

/// What is damaged in the repository ends a restore half way: nobody begins one without a word.
void refuse_damaged(const RestorePlan& plan, const Preferred& best) {
  if (best.flaw.kind < Flaw::Kind::damaged) return;
  const std::string& label = best.choice.backup->label;
  const std::string others =
      plan.options.set.empty()
          ? "no other backup leads to the same place; \"pgcairn info\" tells where others lead: "
            "name one with --set"
          : "restore another backup";
  throw DamagedError(
      repo::marker_key(plan.stanza, label), 0, best.flaw.reason,
      best.flaw.kind == Flaw::Kind::damaged
          ? format("{}; or add --set={} --accept-damage: what is damaged is met when it is read, "
                   "and ends the restore",
                   others, label)
          : others);
}

/// The best backup of all repositories. One that cannot answer is passed over aloud; that none can
/// is an error.
Candidates choose(RestorePlan& plan, std::span<repo::Repository> repositories,
                  const PassedOver& passed_over, Archives& archives) {
  Candidates found = find_candidates(repositories, plan.stanza, plan.options, passed_over);
  Preferred best =
      prefer_whole(found.backups, found.flaws, plan.options, sources_of(archives, plan.options),
                   [&](const repo::BackupInfo& backup, const std::vector<TimelineSpan>& path) {
                     return archives.of(backup).reach(backup, path);
                   });
  refuse_damaged(plan, best);
  plan.backup = *best.choice.backup;
  plan.repository = found.where.at(plan.backup.label);
  plan.reason = std::move(best.choice.reason);
  plan.path = std::move(best.choice.path);
  plan.notes = std::move(best.choice.notes);
  for (const std::string& one : best.passed_over) log_warn(one);
  for (const auto* const more : {&best.passed_over, &found.worse[plan.backup.label], &found.notes})
    plan.notes.insert(plan.notes.end(), more->begin(), more->end());
  if (best.flaw.kind == Flaw::Kind::pages) {
    plan.notes.push_back(format(
        "THE BACKUP HOLDS DAMAGED PAGES, {}: {}",
        plan.options.set.empty() ? "and no whole one leads to the same place" : "and was named",
        best.flaw.reason));
  }
  return found;
}

/// The WAL that makes the backup consistent.
void check_needed(const RestorePlan& plan) {
  const repo::BackupInfo& backup = plan.backup;
  const auto last = *parse_wal_segment_name(backup.wal_stop, backup.wal_segment_bytes);
  const Lsn end{(last.number + 1) * backup.wal_segment_bytes};
  if (plan.wal.end >= end || plan.wal.end >= backup.stop_lsn) return;
  throw WalMissingError(format("backup {} needs WAL {} to {}, and the archive lacks {}",
                               backup.label, backup.wal_start, backup.wal_stop, plan.wal.missing),
                        "restore another backup with --set; \"pgcairn info\" lists them");
}

/// Reads the WAL that makes the backup consistent: a damaged segment would be found only by the
/// restored server. Of a long range both ends are read; all of it may be terabytes.
void prove_needed(const RestorePlan& plan, WalArchive& archive) {
  const repo::BackupInfo& backup = plan.backup;
  std::vector<std::string> names = segments_of(plan.wal, backup.wal_segment_bytes);
  std::erase_if(
      names, [&](const std::string& name) { return name.substr(8) > backup.wal_stop.substr(8); });
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i >= kMostProved / 2 && names.size() - i > kMostProved / 2) continue;
    doing([&] { return format("reading the WAL that backup {} needs", backup.label); },
          [&] { archive.read(names[i]); });
  }
}

std::string gap_words(const WalReach& wal) {
  return wal.after_gap.empty()
             ? ""
             : format(" ({} is missing, {} is there)", wal.missing, wal.after_gap);
}

// recoveryStopsBefore, xlogrecovery.c: only the end of a later transaction shows that a time has
// come.
bool is_reached(const WalReach& wal, const RestoreOptions& options) {
  if (options.type == RestoreType::lsn) return wal.last_record >= *options.target_lsn;
  if (!wal.last_commit) return false;
  return options.target_exclusive ? *wal.last_commit >= *options.target_time
                                  : *wal.last_commit > *options.target_time;
}

/// The branch on which a target is reached that is not on the wanted one, for a hint; empty when
/// there is none, or none that could be looked at.
std::string other_branch(const RestorePlan& plan, Archives& archives,
                         std::span<const repo::BackupInfo> backups) {
  WalArchive& archive = archives.of(plan.backup);
  const std::vector<Timeline> known = archive.timelines().known();
  std::set<Timeline, std::greater<>> others(known.begin(), known.end());
  for (const repo::BackupInfo& backup : backups) others.insert(backup.timeline);
  others.erase(plan.path.back().timeline);
  for (const Timeline other : others) {
    RestoreOptions options = plan.options;
    options.timeline = {TimelineChoice::Kind::number, other};
    try {
      const Choice choice = choose_backup(backups, options, sources_of(archives, options));
      WalReach wal = archive.reach(*choice.backup, choice.path);
      archive.look_at_end(wal, *choice.backup);
      if (is_reached(wal, options))
        return format("timeline {} reaches it: try --target-timeline={}; ", other, other);
    } catch (const Error& error) {
      log_detail(format("timeline {} does not help: {}", other, error.message()));
    }
  }
  return {};
}

/// The newest branch is not known while the history of a later one cannot be read.
void check_branches(const RestorePlan& plan, const WalArchive& archive) {
  if (plan.options.timeline.kind != TimelineChoice::Kind::latest) return;
  const Timeline to = plan.path.back().timeline;
  for (const Timeline other : archive.unread_histories()) {
    if (other <= to) continue;
    throw Error(format("the history of timeline {} is in the archive and cannot be read, so it is "
                       "not known whether the newest WAL is on it",
                       other),
                format("name the branch: --target-timeline={} goes to the newest that can be read; "
                       "\"pgcairn verify\" tells what is damaged",
                       to));
  }
}

void check_time(const RestorePlan& plan, Archives& archives,
                std::span<const repo::BackupInfo> backups) {
  const WalReach& wal = plan.wal;
  if (is_reached(wal, plan.options)) return;
  const Timestamp target = *plan.options.target_time;
  if (!wal.last_commit) {
    throw UsageError(
        format("no transaction ended in the archived WAL after backup {}, so recovery cannot find "
               "the target time {}; the archive ends with {}{}",
               plan.backup.label, format_utc(target), wal.last, gap_words(wal)),
        format("{}{}all that is archived is restored with --type=default",
               other_branch(plan, archives, backups), kSwitchHint));
  }
  throw UsageError(format("the archive ends at {} ({}), not after the target time {} ({}){}",
                          format_utc(*wal.last_commit), format_local(*wal.last_commit),
                          format_utc(target), format_local(target), gap_words(wal)),
                   format("{}{}restore to that with --type=default",
                          other_branch(plan, archives, backups), kSwitchHint));
}

void check_lsn(const RestorePlan& plan, Archives& archives,
               std::span<const repo::BackupInfo> backups) {
  const WalReach& wal = plan.wal;
  if (is_reached(wal, plan.options)) return;
  throw UsageError(
      format("the archive ends at {}, before the target LSN {}{}", to_string(wal.last_record),
             to_string(*plan.options.target_lsn), gap_words(wal)),
      format("{}{}restore to that with --type=lsn --target={}",
             other_branch(plan, archives, backups), kSwitchHint, to_string(wal.last_record)));
}

void add_notes(RestorePlan& plan, const WalArchive& archive,
               std::span<const repo::BackupInfo> backups) {
  const WalReach& wal = plan.wal;
  plan.notes.insert(plan.notes.end(), archive.notes().begin(), archive.notes().end());
  const bool to_the_end =
      plan.options.type == RestoreType::latest || plan.options.type == RestoreType::standby;
  if (to_the_end && !wal.after_gap.empty() &&
      !is_gap_of_archive(wal, backups, !plan.options.set.empty())) {
    plan.notes.push_back(format("no WAL is kept from {} to before {}: recovery ends before it",
                                wal.missing, wal.after_gap));
  } else if (to_the_end && !wal.after_gap.empty()) {
    plan.notes.push_back(
        format("THE ARCHIVE HAS A GAP: {} is missing while {} is there; recovery ends before it, "
               "and what came after is lost to it",
               wal.missing, wal.after_gap));
  }
  if (plan.options.type == RestoreType::none && !plan.options.isolated) {
    plan.notes.push_back(
        "the server goes on in the timeline of its source: archived under the same stanza, its WAL "
        "would be refused (--archive-mode=off keeps it from trying)");
  }
}

/// Reads the WAL on the way for what leads out of the data directory. An isolated copy must know
/// all of it; elsewhere it is named as far as that is quick.
void follow_way(RestorePlan& plan, WalArchive& archive) {
  if (plan.options.sandboxed) return;
  const repo::BackupInfo& backup = plan.backup;
  std::vector<std::string> names = segments_of(plan.wal, backup.wal_segment_bytes);
  if (!plan.wal.partial.empty()) names.push_back(plan.wal.partial);
  if (plan.options.type == RestoreType::none) {
    std::erase_if(names, [&](const std::string& name) {
      return name.substr(8, 16) > backup.wal_stop.substr(8);
    });
  }
  const std::size_t all = names.size();
  if (!plan.options.isolated) names.resize(std::min(all, kMostFollowed));
  WalWay way(plan.options, backup, plan.wal.end);
  try {
    archive.follow(way, names, backup.wal_segment_bytes, plan.options.workers);
  } catch (const Error& error) {
    if (plan.options.isolated) throw;
    plan.notes.push_back(
        format("tablespaces made after the backup are not all known: {}", error.message()));
  }
  if (names.size() < all && !way.is_over()) {
    plan.notes.push_back(
        format("tablespaces made after the backup are looked for in the first {} of {} segments",
               names.size(), all));
  }
  plan.way = {way.created(), way.before_created(), way.end(), {}};
  // A guarded copy cannot read the record that it would stop before.
  if (plan.options.isolated && plan.options.type == RestoreType::lsn &&
      way.stops_before_created() && way.last_record() >= backup.stop_lsn)
    plan.way.stop_after = way.last_record();
}

/// What the server cannot fetch itself, or must not be asked to.
void place_wal(RestorePlan& plan) {
  const repo::BackupInfo& backup = plan.backup;
  if (plan.options.type == RestoreType::none) {
    for (const std::string& name : segments_of(plan.wal, backup.wal_segment_bytes)) {
      if (name.substr(8) <= backup.wal_stop.substr(8)) plan.wal_files.push_back({name, name});
    }
  }
  // Recovery never asks for a ".partial" (xlogarchive.c): under its segment's name in pg_wal it is
  // found when the archive has nothing better.
  if (!plan.wal.partial.empty() && !signal_file(plan.options.type).empty() &&
      plan.options.type != RestoreType::immediate) {
    plan.wal_files.push_back({plan.wal.partial, plan.wal.missing});
    plan.notes.push_back(
        format("{} is the only holder of the end of its timeline: it is put into pg_wal",
               plan.wal.partial));
  }
}

}  // namespace

void plan_target(RestorePlan& plan, std::span<repo::Repository> repositories,
                 const PassedOver& passed_over) {
  Archives archives(plan.stanza, repositories);
  const Candidates found = choose(plan, repositories, passed_over, archives);
  WalArchive& archive = archives.of(plan.backup);
  plan.wal = archive.reach(plan.backup, plan.path);
  plan.server_latest = archive.timelines().latest_of_server(plan.backup.timeline);
  plan.wal_needed = {plan.backup.wal_start, plan.backup.wal_stop};
  check_needed(plan);
  prove_needed(plan, archive);
  const RestoreType type = plan.options.type;
  const bool whole =
      type != RestoreType::immediate && type != RestoreType::none && type != RestoreType::preserve;
  if (whole) check_branches(plan, archive);
  if (whole) archive.look_at_end(plan.wal, plan.backup);
  if (type == RestoreType::time) check_time(plan, archives, found.backups);
  if (type == RestoreType::lsn) check_lsn(plan, archives, found.backups);
  add_notes(plan, archive, found.backups);
  doing([&] { return format("reading the WAL that leads to the target"); },
        [&] { follow_way(plan, archive); });
  plan.all_repositories = repositories;
  place_wal(plan);
}

}  // namespace pgcairn::engine
