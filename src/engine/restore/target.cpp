#include "restore/target.hpp"

#include "restore/preference.hpp"
#include "restore/recovery_settings.hpp"
#include "restore/replay_needs.hpp"
#include "wal/archive_reader.hpp"
#include "wal/branch_ends.hpp"
#include "wal/gap.hpp"
#include "wal/recorded_limits.hpp"

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

namespace {

/// What brings more WAL into the archive. Behind a gap there is some already.
std::string more_wal_hint(const WalReach& wal) {
  if (!wal.after_gap.empty())
    return format("bring {} back into the archive if it is still somewhere, then try again; ",
                  wal.missing);
  return "if the cluster still runs, \"SELECT pg_switch_wal()\" there brings its latest WAL into "
         "the archive: then try again; ";
}

constexpr std::size_t kMostProved = 64;  // segments
// What decides whether a target can be reached is looked for at least in kMostLookedAt segments.
constexpr std::chrono::seconds kLongestLook{60};

/// The archives of the stanza's clusters, each listed when it is asked for, and their branches.
class Archives {
 public:
  Archives(std::string stanza, std::span<repo::Repository> repositories, std::stop_token stop)
      : stanza_(std::move(stanza)), repositories_(repositories), stop_(std::move(stop)) {}

  /// The backups among which is chosen: branches follow from them, too.
  void know(std::span<const repo::BackupMarker> backups) {
    for (const repo::BackupMarker& backup : backups)
      backups_[backup.cluster].push_back({backup.timeline, backup.stop_lsn});
    branches_.clear();
  }
  const Branches& branches_of(const repo::BackupMarker& backup) {
    auto found = branches_.find(backup.cluster);
    if (found == branches_.end()) {
      const ArchiveReader& archive = of(backup);
      const auto& unread = archive.unread_histories();
      BranchSources sources{archive.timelines(),
                            {unread.begin(), unread.end()},
                            archive.timeline_wal(),
                            backups_[backup.cluster],
                            backup.wal_segment_bytes};
      found = branches_.emplace(backup.cluster, Branches(std::move(sources))).first;
    }
    return found->second;
  }

  ArchiveReader& of(const repo::BackupMarker& backup) {
    auto& archive = archives_[backup.cluster];
    if (!archive) {
      archive = std::make_unique<ArchiveReader>(
          stanza_, repo::Cluster{backup.system_id, backup.pg_version}, repositories_, stop_);
    }
    return *archive;
  }

 private:
  std::string stanza_;
  std::span<repo::Repository> repositories_;
  std::stop_token stop_;
  std::map<std::string, std::unique_ptr<ArchiveReader>> archives_;
  std::map<std::string, std::vector<BranchSources::Backup>> backups_;
  std::map<std::string, Branches> branches_;
};

SoughtRecord sought_record(const RecoveryTarget& target) {
  if (const auto* const xid = target.xid()) return {xid->xid, {}};
  PGCAIRN_ASSERT(target.name() != nullptr);
  return {std::nullopt, target.name()->name};
}

ChoiceSources sources_of(Archives& archives, const RestoreOptions& options) {
  return {[&](const repo::BackupMarker& backup) -> const Branches& {
            return archives.branches_of(backup);
          },
          [&](const repo::BackupMarker& backup, const std::vector<TimelineSpan>& path) {
            return archives.of(backup).search(sought_record(options.target), backup, path);
          }};
}

/// What is damaged in the repository ends a restore half way: nobody begins one without a word.
void refuse_damaged(const RestorePlan& plan, const Preferred& best) {
  if (best.flaw.kind < Flaw::Kind::damaged) return;
  const std::string& label = best.choice.backup->label;
  const std::string others = plan.options.set.empty()
                                 ? "no other backup reaches the same end; \"pgcairn info\" shows "
                                   "what others reach: name one with --set"
                                 : "restore another backup";
  throw DamagedError(repo::marker_key(plan.stanza, label), 0, best.flaw.reason,
                     best.flaw.kind == Flaw::Kind::damaged
                         ? format("{}; or add --set={} --accept-damage: the restore ends when it "
                                  "reads what is damaged",
                                  others, label)
                         : others);
}

/// The restored server asks each repository before it takes the archived WAL for ended; a standby
/// waits and asks again.
void note_unreadable(RestorePlan& plan, std::span<repo::Repository> repositories,
                     const std::vector<std::string>& unreadable) {
  if (unreadable.empty() || signal_file(plan.options.target.type()).empty() ||
      plan.options.target.type() == RestoreType::standby)
    return;
  std::string others;
  for (const repo::Repository& repository : repositories) {
    if (std::find(unreadable.begin(), unreadable.end(), repository.name()) != unreadable.end())
      continue;
    others += format("{}{}", others.empty() ? "" : ",", repository.name());
  }
  for (const std::string& name : unreadable) {
    plan.note_first(
        format("REPOSITORY {} CANNOT BE READ NOW: the restored server stops at the end of the WAL "
               "of the others until it answers; if it is lost, restore with --repo={}, or remove "
               "[repo.{}] from the configuration",
               name, others, name));
  }
}

/// The best backup of all repositories. One that cannot answer is skipped with a warning; that none
/// can is an error.
Candidates choose(RestorePlan& plan, std::span<repo::Repository> repositories,
                  const PassedOver& passed_over, Archives& archives) {
  Candidates found = find_candidates(repositories, plan.stanza, plan.options, passed_over);
  archives.know(found.backups);
  const std::vector<repo::LimitsRecord> limits = read_limits(plan.stanza, repositories);
  Preferred best = prefer_whole(
      found.backups, found.flaws, plan.options, sources_of(archives, plan.options),
      [&](const repo::BackupMarker& backup, const std::vector<TimelineSpan>& path) {
        WalReach reach = archives.of(backup).reach(backup, path);
        reach.end = minimal_on_way(limits, backup, path, reach.end).value_or(reach.end);
        return reach;
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
  note_unreadable(plan, repositories, found.unreadable);
  if (best.flaw.kind == Flaw::Kind::pages) {
    plan.note_first(format("THE BACKUP HOLDS DAMAGED PAGES, {}: {}",
                           plan.options.set.empty() ? "and no whole one reaches the same end"
                                                    : "and it was named with --set",
                           best.flaw.reason));
  }
  return found;
}

/// The WAL that makes the backup consistent.
void check_needed(const RestorePlan& plan) {
  const repo::BackupMarker& backup = plan.backup;
  const auto last = *parse_wal_segment_name(backup.wal_stop, backup.wal_segment_bytes);
  const Lsn end{(last.number + 1) * backup.wal_segment_bytes};
  if (plan.wal.end >= end || plan.wal.end >= backup.stop_lsn) return;
  throw WalMissingError(format("backup {} needs WAL {} to {}, and the archive lacks {}",
                               backup.label, backup.wal_start, backup.wal_stop, plan.wal.missing),
                        "restore another backup with --set; \"pgcairn info\" lists them");
}

/// Reads the WAL that makes the backup consistent: a damaged segment would be found only by the
/// restored server. Of a long range both ends are read; all of it may be terabytes.
void prove_needed(const RestorePlan& plan, ArchiveReader& archive) {
  const repo::BackupMarker& backup = plan.backup;
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
bool is_reached(const WalReach& wal, const TimeTarget& target) {
  return wal.last_commit && target.is_before(*wal.last_commit);
}

bool is_reached(const WalReach& wal, const LsnTarget& target) {
  return wal.last_record >= target.at;
}

/// A few segments: enough for what is only shown.
bool a_few(std::size_t looked_at) {
  return looked_at < kMostLookedAt;
}

/// What decides whether a target can be reached is looked for longer.
std::function<bool(std::size_t)> patiently() {
  const auto until = std::chrono::steady_clock::now() + kLongestLook;
  return [until](std::size_t looked_at) {
    return a_few(looked_at) || std::chrono::steady_clock::now() < until;
  };
}

/// The branch on which a target is reached that is not on the wanted one, for a hint; empty when
/// there is none, or none that could be looked at.
template <class Point>
std::string other_branch(const RestorePlan& plan, const Point& target, Archives& archives,
                         std::span<const repo::BackupMarker> backups) {
  ArchiveReader& archive = archives.of(plan.backup);
  std::vector<Timeline> others = archives.branches_of(plan.backup).tips();
  std::erase(others, plan.path.back().timeline);
  for (const Timeline other : others) {
    RestoreOptions options = plan.options;
    options.timeline = {TimelineChoice::Kind::number, other};
    try {
      const Choice choice = choose_backup(backups, options, sources_of(archives, options));
      WalReach wal = archive.reach(*choice.backup, choice.path);
      archive.look_at_end(wal, *choice.backup, options.workers, a_few);
      if (is_reached(wal, target)) {
        return format("timeline {} reaches it: try --target-timeline={}; ", timeline_text(other),
                      other);
      }
    } catch (const Error& error) {
      log_detail(format("timeline {} does not reach it: {}", other, error.message()));
    }
  }
  return {};
}

/// No other branch and no more WAL reaches a time that has not come yet. The clock is this host's:
/// a server whose clock is ahead may have archived what is later.
void refuse_future(const WalReach& wal, const TimeTarget& target) {
  if (target.when <= now()) return;
  const std::string message =
      format("the target time {} is in the future{}", both_zones(target.when), gap_words(wal));
  throw UnreachableTargetError(
      message, wal.last_commit
                   ? format("the newest time that can be restored is just before {}; to restore "
                            "all that is archived, use --type=default",
                            both_zones(*wal.last_commit))
                   : "to restore all that is archived, use --type=default");
}

void check_time(RestorePlan& plan, const TimeTarget& target, Archives& archives,
                std::span<const repo::BackupMarker> backups) {
  const WalReach& wal = plan.wal;
  if (is_reached(wal, target)) return;
  refuse_future(wal, target);
  if (!wal.end_is_known) {
    plan.note_first(
        format("IT IS NOT KNOWN WHETHER THE TARGET TIME IS REACHED: no transaction was found at "
               "the end of the archived WAL within {} s; if none ended after the target time, the "
               "server reports that at the end of the WAL, and stops",
               std::chrono::duration_cast<std::chrono::seconds>(kLongestLook).count()));
    return;
  }
  if (!wal.last_commit) {
    throw UnreachableTargetError(
        format("no transaction ended in the archived WAL after backup {}, so recovery cannot find "
               "the target time {}; the archive ends with {}{}",
               plan.backup.label, format_utc(target.when), wal.last, gap_words(wal)),
        format("{}{}to restore all that is archived, use --type=default",
               other_branch(plan, target, archives, backups), more_wal_hint(wal)));
  }
  throw UnreachableTargetError(
      format("the archive ends at {}, not after the target time {}{}", both_zones(*wal.last_commit),
             both_zones(target.when), gap_words(wal)),
      format("{}{}restore to that with --type=default",
             other_branch(plan, target, archives, backups), more_wal_hint(wal)));
}

void check_lsn(const RestorePlan& plan, const LsnTarget& target, Archives& archives,
               std::span<const repo::BackupMarker> backups) {
  const WalReach& wal = plan.wal;
  if (is_reached(wal, target)) return;
  throw UnreachableTargetError(
      format("the archive ends at {}, before the target LSN {}{}", to_string(wal.last_record),
             to_string(target.at), gap_words(wal)),
      format("{}{}restore to that with --type=lsn --target={}",
             other_branch(plan, target, archives, backups), more_wal_hint(wal),
             to_string(wal.last_record)));
}

/// Tells the branches from each other where there are several, by the last transaction of each.
void compare_branches(RestorePlan& plan, const Branches& branches, ArchiveReader& archive,
                      bool end_was_read) {
  if (branches.tips().size() < 2) return;
  plan.branches = read_branch_ends(branches, plan.backup.cluster,
                                   [&](const std::string& file) { return archive.read(file); });
  // Where one backup was named, no other was looked at.
  for (Branch& branch : plan.branches) branch.way_is_known = plan.options.set.empty();
  const Timeline to = plan.path.back().timeline;
  const auto chosen = std::find_if(plan.branches.begin(), plan.branches.end(),
                                   [&](const Branch& one) { return one.timeline == to; });
  if (chosen == plan.branches.end()) return;
  // It may have no transaction of its own yet, and those before it are its own, too.
  if (end_was_read && !chosen->last_commit) chosen->last_commit = plan.wal.last_commit;
  const bool is_default = plan.options.timeline.kind != TimelineChoice::Kind::number;
  if (!is_default || !plan.options.set.empty()) return;
  for (const Branch& other : plan.branches) {
    if (!other.last_commit) continue;
    if (chosen->last_commit ? *other.last_commit <= *chosen->last_commit : !end_was_read) continue;
    plan.note_first(
        format("TIMELINE {} HAS A LATER LAST TRANSACTION ({}) than timeline {} ({}), which this "
               "restore follows because it is the newest: is that the one you want? {}",
               timeline_text(other.timeline), format_utc(*other.last_commit), timeline_text(to),
               chosen->last_commit ? format_utc(*chosen->last_commit) : "none is known",
               format("--target-timeline={} follows the other", other.timeline)));
  }
}

/// Is WAL missing that the archive was to have? Not so between backups that bring their own WAL, or
/// where expire left only that.
bool has_gap(const RestorePlan& plan, const ArchiveReader& archive) {
  if (plan.wal.after_gap.empty()) return false;
  bool unknown = false;
  const auto backups =
      plan.repository->backups(plan.stanza, [&](const DamagedError&) { unknown = true; });
  return judge_gap(archive.names(), archive.timelines(), plan.path, plan.wal,
                   {backups, plan.backup.cluster, plan.backup.wal_segment_bytes, unknown}) >=
         Gap::doubtful;
}

/// Recovery to the end of the archive would end at a gap in it, or rather, be stopped there by
/// archive-get.
void check_gap(RestorePlan& plan) {
  const WalReach& wal = plan.wal;
  const std::string& accepted = plan.options.accept_gap;
  if (!accepted.empty() && (wal.after_gap.empty() || accepted != wal.missing)) {
    plan.notes.push_back(
        format("--accept-gap={} has no effect: no gap in the archive begins there", accepted));
  }
  if (plan.options.target.type() != RestoreType::latest || wal.after_gap.empty() ||
      !accepted_gap(plan).empty())
    return;
  if (!plan.has_gap) {
    plan.options.accept_gap = wal.missing;
    return;
  }
  throw UnreachableTargetError(
      format("the archive has a gap: {} is missing while {} is there, so recovery from backup {} "
             "cannot go to the end",
             wal.missing, wal.after_gap, plan.backup.label),
      format("bring the segment back, from pg_wal of a server or another archive; or end before it "
             "and give up later WAL: --accept-gap={}; or restore a backup that was begun after it",
             wal.missing));
}

/// The server notices that it is consistent when it has read one more record, unless the last one
/// was a transaction's (recoveryStopsAfter, recoveryStopsBefore, xlogrecovery.c). A backup of a
/// standby may end where the archive ends; then recovery has to end at its last record by its LSN.
void settle_immediate(RestorePlan& plan, ArchiveReader& archive) {
  const repo::BackupMarker& backup = plan.backup;
  const EndOfBackup end = archive.look_at_backup_end(plan.wal, backup);
  if (end.is_followed) return;
  if (end.last_record <= backup.start_lsn) {
    throw UnreachableTargetError(
        format("the archive ends with backup {}, and no record follows at which recovery with "
               "--type=immediate could end",
               backup.label),
        format("{}--type=default restores the same state", more_wal_hint(plan.wal)));
  }
  plan.way.stop_after = end.last_record;
}

void add_notes(RestorePlan& plan, const ArchiveReader& archive) {
  const WalReach& wal = plan.wal;
  plan.notes.insert(plan.notes.end(), archive.notes().begin(), archive.notes().end());
  const bool waits = plan.options.target.type() == RestoreType::standby;
  if ((waits || plan.options.target.type() == RestoreType::latest) && !wal.after_gap.empty()) {
    const char* const then =
        waits ? "the standby waits before it until it gets the segment, or streams"
              : "recovery ends before it, and later WAL cannot be replayed";
    if (plan.has_gap) {
      plan.note_first(format("THE ARCHIVE HAS A GAP: {} is missing while {} is there; {}",
                             wal.missing, wal.after_gap, then));
    } else {
      plan.notes.push_back(format("no WAL is kept from {} to before {}: recovery ends before it",
                                  wal.missing, wal.after_gap));
    }
  }
  if (plan.options.archive_off && !plan.options.isolated && !plan.options.sandboxed) {
    plan.note_first(
        "archive_mode is off here, by --archive-mode=off: what the restored server writes is in no "
        "backup until it archives again");
  }
  if (plan.options.target.type() == RestoreType::none && !plan.options.isolated) {
    plan.notes.push_back(
        "the server goes on in the timeline of its source: archived under the same stanza, its WAL "
        "would be refused (--archive-mode=off keeps it from trying)");
  }
}

/// The old timeline's segment, as a whole or as far as it was written, for each switch of timelines
/// in the middle of one. The archive gives the server the new timeline's segment of that number.
/// But replay of a checkpoint before or at the switch reads what was prepared and is still open
/// again, out of the timeline that it is on, and looks for that in pg_wal only
/// (XlogReadTwoPhaseData, twophase.c; XLogReadDetermineTimeline, xlogutils.c).
void place_switched(RestorePlan& plan, const ArchivedNames& names) {
  const std::uint64_t segment_bytes = plan.backup.wal_segment_bytes;
  for (const TimelineSpan& span : plan.path) {
    if (span.end.value % segment_bytes == 0) continue;
    const std::string segment =
        wal_segment_name({span.timeline, span.end.value / segment_bytes}, segment_bytes);
    const std::string partial = segment + ".partial";
    if (!names.holders(segment).empty()) {
      plan.wal_files.push_back({segment, segment, true, true});
    } else if (names.has_partial(partial)) {
      plan.wal_files.push_back({partial, segment, true, true});
    }
  }
}

/// What the server cannot fetch itself, or must not be asked to.
void place_wal(RestorePlan& plan, const ArchivedNames& names) {
  const repo::BackupMarker& backup = plan.backup;
  if (plan.options.target.type() == RestoreType::none) {
    for (const std::string& name : segments_of(plan.wal, backup.wal_segment_bytes)) {
      if (name.substr(8) <= backup.wal_stop.substr(8))
        plan.wal_files.push_back({name, name, false, false});
    }
  }
  if (!signal_file(plan.options.target.type()).empty()) place_switched(plan, names);
  // Recovery never asks for a ".partial" (xlogarchive.c): under its segment's name in pg_wal it is
  // found when the archive has nothing better.
  if (!plan.wal.partial.empty() && !signal_file(plan.options.target.type()).empty() &&
      plan.options.target.type() != RestoreType::immediate) {
    plan.wal_files.push_back({plan.wal.partial, plan.wal.missing, true, false});
    plan.notes.push_back(
        format("{} is the only file with the end of its timeline: it is put into pg_wal",
               plan.wal.partial));
  }
}

/// Where "latest" would lead a server. A timeline of which only the history is archived, and that
/// begins where the archived WAL ends, is the new primary's after a failover: a standby gets there
/// from the end of the plan's way by streaming.
Timeline latest_for_server(const RestorePlan& plan, const ArchiveReader& archive) {
  const Timeline latest = archive.latest_of_server(plan.backup.timeline);
  const Timeline to = plan.path.back().timeline;
  const auto way = archive.timelines().path(to, latest);
  if (latest == to || way.empty()) return latest;
  const std::uint64_t in_partial = plan.wal.partial.empty() ? 0 : plan.backup.wal_segment_bytes;
  return way.front().end.value + in_partial >= plan.wal.end.value ? to : latest;
}

}  // namespace

void plan_target(RestorePlan& plan, std::span<repo::Repository> repositories,
                 const PassedOver& passed_over, Progress& progress, std::stop_token stop) {
  progress.phase("choosing the backup", 0);
  Archives archives(plan.stanza, repositories, std::move(stop));
  const Candidates found = choose(plan, repositories, passed_over, archives);
  ArchiveReader& archive = archives.of(plan.backup);
  plan.wal = archive.reach(plan.backup, plan.path);
  plan.server_latest = latest_for_server(plan, archive);
  plan.wal_needed = {plan.backup.wal_start, plan.backup.wal_stop};
  check_needed(plan);
  prove_needed(plan, archive);
  const RecoveryTarget& target = plan.options.target;
  const bool whole = target.goes_beyond_backup();
  if (whole) {
    archive.look_at_end(plan.wal, plan.backup, plan.options.workers,
                        target.time() != nullptr ? patiently() : a_few);
  }
  if (const auto* const time = target.time()) check_time(plan, *time, archives, found.backups);
  if (const auto* const lsn = target.lsn()) check_lsn(plan, *lsn, archives, found.backups);
  compare_branches(plan, archives.branches_of(plan.backup), archive, whole);
  plan.has_gap = has_gap(plan, archive);
  check_gap(plan);
  if (target.type() == RestoreType::immediate) settle_immediate(plan, archive);
  add_notes(plan, archive);
  doing([&] { return format("reading the WAL up to the target"); },
        [&] { follow_way(plan, archive, repositories, progress); });
  plan.all_repositories = repositories;
  place_wal(plan, archive.names());
}

}  // namespace pgcairn::engine
