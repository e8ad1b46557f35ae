#include "restore/choose_backup.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

bool must_be_searched(const RecoveryTarget& target) {
  return target.xid() != nullptr || target.name() != nullptr;
}

std::string target_words(const RecoveryTarget& target) {
  if (const auto* const time = target.time())
    return format("the target time {}", both_zones(time->when));
  if (const auto* const lsn = target.lsn()) return format("the target LSN {}", to_string(lsn->at));
  if (const auto* const xid = target.xid()) return format("transaction {}", xid->xid);
  if (const auto* const name = target.name()) return format("restore point \"{}\"", name->name);
  return "the target";
}

std::string end_words(const repo::BackupMarker& backup, const RecoveryTarget& target) {
  return target.lsn() != nullptr ? to_string(backup.stop_lsn) : both_zones(backup.stop_time);
}

/// Recovery cannot stop before the backup is consistent, so a target must lie at or after its end.
bool reaches(const repo::BackupMarker& backup, const RecoveryTarget& target) {
  if (const auto* const time = target.time()) return backup.stop_time <= time->when;
  if (const auto* const lsn = target.lsn()) return backup.stop_lsn <= lsn->at;
  return true;
}

/// The timelines that recovery goes through from a backup on.
struct Way {
  std::vector<TimelineSpan> path;
  Leads leads = Leads::yes;
  std::string unreachable_reason;  // when it does not, or when that is not known
};

/// A backup's own end lies on its own timeline, whatever became of the cluster later.
bool stays_on_its_timeline(const RestoreOptions& options) {
  return !options.target.goes_beyond_backup() ||
         options.timeline.kind == TimelineChoice::Kind::current;
}

/// The way from a backup on the branch that ends with `to`.
Way way_to(const repo::BackupMarker& backup, const Branches& branches, Timeline to,
           const RestoreOptions& options) {
  const Timeline from = backup.timeline;
  Way way;
  way.leads = branches.leads(from, backup.stop_lsn, to);
  if (way.leads != Leads::yes) {
    way.unreachable_reason = branches.unreachable_reason(from, backup.stop_lsn, to);
    return way;
  }
  way.path = branches.timelines().path(from, stays_on_its_timeline(options) ? from : to);
  return way;
}

/// The branch that was named, or the newest one of the backup's cluster.
Timeline wanted_branch(const repo::BackupMarker& backup, const Branches& branches,
                       const RestoreOptions& options) {
  if (options.timeline.kind == TimelineChoice::Kind::number) return options.timeline.number;
  return branches.newest().value_or(backup.timeline);
}

/// The newest branch that a backup is on the way to, when it is not on the way to the newest of
/// all.
Timeline newest_from(const repo::BackupMarker& backup, const Branches& branches) {
  for (const Timeline tip : branches.tips()) {
    if (branches.leads(backup.timeline, backup.stop_lsn, tip) == Leads::yes) return tip;
  }
  return backup.timeline;
}

/// Histories that no server of this archive wrote WAL after: a server's own "latest" would follow
/// them.
void note_lone_histories(const Branches& branches, const RestoreOptions& options,
                         const std::vector<TimelineSpan>& path, std::vector<std::string>& notes) {
  if (options.timeline.kind != TimelineChoice::Kind::latest || stays_on_its_timeline(options))
    return;
  for (const Timeline other : branches.only_histories()) {
    if (other <= path.back().timeline) continue;
    const std::string left = left_words(branches.describe(other));
    notes.push_back(
        format("timeline {} has a history in the archive{}, but neither WAL nor a backup: it is "
               "not followed; --target-timeline={} follows it",
               timeline_text(other), left.empty() ? "" : format(" ({})", left), other));
  }
}

/// "--target-timeline=1 follows timeline 1", for each other branch that a backup leads to.
std::string other_branches_hint(std::span<const repo::BackupMarker> backups,
                                const Branches& branches, Timeline wanted,
                                const RestoreOptions& options) {
  std::string hint;
  for (const Timeline tip : branches.tips()) {
    if (tip == wanted) continue;
    const auto newest = std::find_if(backups.rbegin(), backups.rend(), [&](const auto& backup) {
      return backup.cluster == backups.back().cluster &&
             branches.leads(backup.timeline, backup.stop_lsn, tip) == Leads::yes;
    });
    if (newest == backups.rend()) continue;
    hint += format("{}{} restores to timeline {}, with backup {}", hint.empty() ? "" : "; ",
                   stays_on_its_timeline(options) ? format("--set={}", newest->label)
                                                  : format("--target-timeline={}", tip),
                   timeline_text(tip), newest->label);
  }
  return hint;
}

Choice choose_named(std::span<const repo::BackupMarker> backups, const RestoreOptions& options,
                    const ChoiceSources& sources) {
  const auto found =
      std::find_if(backups.begin(), backups.end(),
                   [&](const repo::BackupMarker& one) { return one.label == options.set; });
  if (found == backups.end()) {
    throw MissingError(format("there is no backup \"{}\"", options.set),
                       "\"pgcairn info\" lists the backups");
  }
  const Branches& branches = sources.branches(*found);
  const bool free = options.timeline.kind != TimelineChoice::Kind::number;
  const Timeline wanted = wanted_branch(*found, branches, options);
  std::vector<std::string> notes;
  Way way = way_to(*found, branches, wanted, options);
  if (free && way.leads != Leads::yes) {
    notes.push_back(format("backup {} is not on the way to timeline {}, the newest branch: {}",
                           found->label, timeline_text(wanted), way.unreachable_reason));
    way = way_to(*found, branches, newest_from(*found, branches), options);
  }
  if (way.leads != Leads::yes) {
    throw UnreachableTargetError(
        format("backup {} is on timeline {}, and {}", found->label, timeline_text(found->timeline),
               way.unreachable_reason),
        "without --set, a backup on the way to that timeline is chosen; or leave "
        "--target-timeline out");
  }
  if (!reaches(*found, options.target)) {
    throw UnreachableTargetError(
        format("backup {} ended at {}, after {}", found->label, end_words(*found, options.target),
               target_words(options.target)),
        "without --set, an older backup is chosen; or restore this one with "
        "--type=immediate");
  }
  if (must_be_searched(options.target)) {
    const Found there = sources.search(*found, way.path);
    if (there == Found::no) {
      throw UnreachableTargetError(
          format("{} is not in the archived WAL after backup {}", target_words(options.target),
                 found->label),
          "without --set, older backups are searched too; or check the target: it may "
          "be on another timeline (--target-timeline)");
    }
    if (there == Found::unknown)
      notes.push_back(
          format("it is not known whether {} is in the archive", target_words(options.target)));
  }
  note_lone_histories(branches, options, way.path, notes);
  return {&*found, std::move(way.path), "it was named with --set", std::move(notes)};
}

std::string reason_of(const RestoreOptions& options, Timeline branch, bool only_one, bool newest) {
  const bool number = options.timeline.kind == TimelineChoice::Kind::number;
  const std::string on =
      number || !only_one ? format(" on the way to timeline {}", timeline_text(branch)) : "";
  const RecoveryTarget& target = options.target;
  if (target.time() != nullptr)
    return format("it is the newest one{} that ended before the target time", on);
  if (target.lsn() != nullptr)
    return format("it is the newest one{} that ended before the target LSN", on);
  if (target.xid() != nullptr)
    return format("{} ended after it: it was found in the archived WAL", target_words(target));
  if (target.name() != nullptr)
    return format("{} was made after it: it was found in the archived WAL", target_words(target));
  return newest && only_one ? "it is the newest one" : format("it is the newest one{}", on);
}

/// What the look at one backup after the other came to.
struct Looked {
  const repo::BackupMarker* oldest = nullptr;  // of those on the way
  std::string off_way;                         // why the newest that is not is not
  bool unknown = false;                        // of some it is not known
};

/// The branch on which a transaction or a restore point is, for a hint.
std::string searched_elsewhere(std::span<const repo::BackupMarker> backups,
                               const RestoreOptions& options, const ChoiceSources& sources) {
  const Branches& branches = sources.branches(backups.back());
  const Timeline wanted = wanted_branch(backups.back(), branches, options);
  for (const Timeline tip : branches.tips()) {
    if (tip == wanted) continue;
    for (std::size_t i = backups.size(); i-- > 0;) {
      if (backups[i].cluster != backups.back().cluster) continue;
      const Way way = way_to(backups[i], branches, tip, options);
      if (way.leads == Leads::yes && sources.search(backups[i], way.path) == Found::yes) {
        return format("timeline {} reaches it: try --target-timeline={}; ", timeline_text(tip),
                      tip);
      }
    }
  }
  return {};
}

[[noreturn]] void refuse(std::span<const repo::BackupMarker> backups, const RestoreOptions& options,
                         const ChoiceSources& sources, const Looked& looked) {
  if (looked.oldest == nullptr) {
    const Branches& branches = sources.branches(backups.back());
    const Timeline wanted = wanted_branch(backups.back(), branches, options);
    const bool number = options.timeline.kind == TimelineChoice::Kind::number;
    const std::string message = format("no backup is {}on the way to timeline {}{}: {}",
                                       looked.unknown ? "known to be " : "", timeline_text(wanted),
                                       number ? "" : ", the newest branch", looked.off_way);
    const std::string hint = other_branches_hint(backups, branches, wanted, options);
    if (looked.unknown && !number) throw Error(message, hint);
    throw UnreachableTargetError(message, hint);
  }
  if (must_be_searched(options.target)) {
    throw UnreachableTargetError(
        format("{} is not in the archived WAL after any backup{}", target_words(options.target),
               looked.off_way.empty() ? "" : " on the way to the branch"),
        format("{}check the target; \"pg_waldump\" shows what WAL holds, and --target-timeline "
               "follows another branch; what is archived is restored with --type=default",
               searched_elsewhere(backups, options, sources)));
  }
  const bool lsn = options.target.lsn() != nullptr;
  throw UnreachableTargetError(
      format("{} is before the end of the oldest backup{}, {}", target_words(options.target),
             looked.off_way.empty() ? "" : " on the way to it", looked.oldest->label),
      format("the earliest {} that can be restored is {}", lsn ? "LSN" : "time",
             end_words(*looked.oldest, options.target)));
}

}  // namespace

std::string both_zones(Timestamp when) {
  return format("{} ({})", format_utc(when), format_local(when));
}

Choice choose_backup(std::span<const repo::BackupMarker> backups, const RestoreOptions& options,
                     const ChoiceSources& sources) {
  if (backups.empty()) {
    throw MissingError("there is no backup to restore",
                       "\"pgcairn info\" shows what is in the repositories");
  }
  if (!options.set.empty()) return choose_named(backups, options, sources);
  Looked looked;
  for (std::size_t i = backups.size(); i-- > 0;) {
    const repo::BackupMarker& backup = backups[i];
    // An LSN, a transaction and a timeline mean nothing in another cluster of the stanza.
    if (options.target.time() == nullptr && backup.cluster != backups.back().cluster) continue;
    const Branches& branches = sources.branches(backup);
    const Timeline branch = wanted_branch(backup, branches, options);
    Way way = way_to(backup, branches, branch, options);
    if (way.leads != Leads::yes) {
      looked.unknown |= way.leads == Leads::unknown;
      if (looked.off_way.empty())
        looked.off_way = format("of backup {}, {}", backup.label, way.unreachable_reason);
      continue;
    }
    looked.oldest = &backup;
    if (!reaches(backup, options.target)) continue;
    const bool newest = i + 1 == backups.size();
    std::string reason = reason_of(options, branch, branches.tips().size() < 2, newest);
    if (must_be_searched(options.target)) {
      const Found there = sources.search(backup, way.path);
      if (there == Found::no) continue;
      if (there == Found::unknown) {
        reason = format(
            "it is the newest one; it is not known whether {} is in the WAL after it: if it is "
            "not, name an older one with --set",
            target_words(options.target));
      }
    }
    Choice choice{&backup, std::move(way.path), std::move(reason), {}};
    note_lone_histories(branches, options, choice.path, choice.notes);
    return choice;
  }
  refuse(backups, options, sources, looked);
}

}  // namespace pgcairn::engine
