#include "restore_choice.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

std::string both_zones(Timestamp when) {
  return format("{} ({})", format_utc(when), format_local(when));
}

bool must_be_searched(RestoreType type) {
  return type == RestoreType::xid || type == RestoreType::name;
}

std::string target_words(const RestoreOptions& options) {
  switch (options.type) {
    case RestoreType::time:
      return format("the target time {}", both_zones(*options.target_time));
    case RestoreType::lsn:
      return format("the target LSN {}", to_string(*options.target_lsn));
    case RestoreType::xid:
      return format("transaction {}", *options.target_xid);
    case RestoreType::name:
      return format("restore point \"{}\"", options.target_name);
    default:
      return "the target";
  }
}

std::string end_words(const repo::BackupInfo& backup, RestoreType type) {
  return type == RestoreType::lsn ? to_string(backup.stop_lsn) : both_zones(backup.stop_time);
}

/// Recovery cannot stop before the backup is consistent, so a target must lie at or after its end.
bool reaches(const repo::BackupInfo& backup, const RestoreOptions& options) {
  if (options.type == RestoreType::time) return backup.stop_time <= *options.target_time;
  if (options.type == RestoreType::lsn) return backup.stop_lsn <= *options.target_lsn;
  return true;
}

/// The timelines that recovery goes through from a backup on.
struct Way {
  std::vector<TimelineSpan> path;
  std::string why_not;  // when there is none
  std::vector<std::string> notes;
};

Way way_from(const repo::BackupInfo& backup, const Timelines& timelines,
             const RestoreOptions& options) {
  // A backup's own end lies on its own timeline, whatever became of the cluster later.
  const bool stays = options.type == RestoreType::immediate || options.type == RestoreType::none ||
                     options.type == RestoreType::preserve ||
                     options.timeline.kind == TimelineChoice::Kind::current;
  const Timeline from = backup.timeline;
  if (stays) return {timelines.path(from, from), {}, {}};
  if (options.timeline.kind == TimelineChoice::Kind::number) {
    const Timeline to = options.timeline.number;
    if (to == from) return {timelines.path(from, from), {}, {}};
    Way way;
    way.why_not = timelines.why_not(from, backup.stop_lsn, to);
    if (way.why_not.empty()) way.path = timelines.path(from, to);
    return way;
  }
  const auto reachable = timelines.descendants(from, backup.stop_lsn);
  Way way{timelines.path(from, reachable.back()), {}, {}};
  for (const Timeline other : timelines.known()) {
    if (other <= reachable.back()) continue;
    way.notes.push_back(format("timeline {} is not followed: {}", other,
                               timelines.why_not(from, backup.stop_lsn, other)));
  }
  return way;
}

/// Timelines that some backup can reach, for hints.
std::string reachable_words(std::span<const repo::BackupInfo> backups,
                            const ChoiceSources& sources) {
  const repo::BackupInfo& newest = backups.back();
  std::string words;
  for (const Timeline one : sources.timelines(newest).descendants(newest.timeline, newest.stop_lsn))
    words += format("{}{}", words.empty() ? "" : ", ", one);
  return format("backup {} can be recovered on timeline {}", newest.label, words);
}

Choice choose_named(std::span<const repo::BackupInfo> backups, const RestoreOptions& options,
                    const ChoiceSources& sources) {
  const auto found = std::find_if(backups.begin(), backups.end(), [&](const repo::BackupInfo& one) {
    return one.label == options.set;
  });
  if (found == backups.end()) {
    throw MissingError(format("there is no backup \"{}\"", options.set),
                       "\"pgcairn info\" lists the backups");
  }
  Way way = way_from(*found, sources.timelines(*found), options);
  if (!way.why_not.empty()) {
    throw UsageError(
        format("backup {} is on timeline {}, and {}", found->label, found->timeline, way.why_not),
        "leave --set out, and a backup on the way to that timeline is chosen; or leave "
        "--target-timeline out");
  }
  if (!reaches(*found, options)) {
    throw UsageError(format("backup {} ended at {}, after {}", found->label,
                            end_words(*found, options.type), target_words(options)),
                     "leave --set out, and an older backup is chosen; or restore this one with "
                     "--type=immediate");
  }
  if (must_be_searched(options.type)) {
    const Found there = sources.search(*found, way.path);
    if (there == Found::no) {
      throw UsageError(format("{} is not in the archived WAL after backup {}",
                              target_words(options), found->label),
                       "leave --set out, and older backups are looked at; or check the target: it "
                       "may be on another timeline (--target-timeline)");
    }
    if (there == Found::unknown)
      way.notes.push_back(
          format("it was not found out whether {} is in the archive", target_words(options)));
  }
  return {&*found, std::move(way.path), "it was named with --set", std::move(way.notes)};
}

std::string reason_of(const RestoreOptions& options, bool newest) {
  const bool number = options.timeline.kind == TimelineChoice::Kind::number;
  const std::string on =
      number ? format(" on the way to timeline {}", options.timeline.number) : "";
  switch (options.type) {
    case RestoreType::time:
      return format("it is the newest one{} that ended before the target time", on);
    case RestoreType::lsn:
      return format("it is the newest one{} that ended before the target LSN", on);
    case RestoreType::xid:
      return format("transaction {} ended after it: it was found in the archived WAL",
                    *options.target_xid);
    case RestoreType::name:
      return format("restore point \"{}\" was made after it: it was found in the archived WAL",
                    options.target_name);
    default:
      return newest ? "it is the newest one" : format("it is the newest one{}", on);
  }
}

[[noreturn]] void refuse(std::span<const repo::BackupInfo> backups, const RestoreOptions& options,
                         const ChoiceSources& sources, const repo::BackupInfo* oldest,
                         const std::string& off_path) {
  if (oldest == nullptr) {
    throw UsageError(
        format("no backup is on the way to timeline {}: {}", options.timeline.number, off_path),
        reachable_words(backups, sources));
  }
  if (must_be_searched(options.type)) {
    throw UsageError(
        format("{} is not in the archived WAL after any backup", target_words(options)),
        "check the target; \"pg_waldump\" shows what WAL holds, and --target-timeline follows "
        "another branch; what is archived is restored with --type=default");
  }
  const bool lsn = options.type == RestoreType::lsn;
  throw UsageError(format("{} is before the end of the oldest backup{}, {}", target_words(options),
                          off_path.empty() ? "" : " on the way to it", oldest->label),
                   format("the earliest {} that can be restored is {}", lsn ? "LSN" : "time",
                          end_words(*oldest, options.type)));
}

}  // namespace

Choice choose_backup(std::span<const repo::BackupInfo> backups, const RestoreOptions& options,
                     const ChoiceSources& sources) {
  PGCAIRN_ASSERT(options.type != RestoreType::time || options.target_time);
  PGCAIRN_ASSERT(options.type != RestoreType::lsn || options.target_lsn);
  if (backups.empty()) {
    throw MissingError("there is no backup to restore",
                       "\"pgcairn info\" tells what is in the repositories");
  }
  if (!options.set.empty() && options.set != "latest")
    return choose_named(backups, options, sources);
  const repo::BackupInfo* oldest = nullptr;  // of those on the way
  std::string off_path;
  for (std::size_t i = backups.size(); i-- > 0;) {
    const repo::BackupInfo& backup = backups[i];
    // An LSN, a transaction and a timeline mean nothing in another cluster of the stanza.
    if (options.type != RestoreType::time && backup.cluster != backups.back().cluster) continue;
    Way way = way_from(backup, sources.timelines(backup), options);
    if (!way.why_not.empty()) {
      if (off_path.empty()) off_path = format("of backup {}, {}", backup.label, way.why_not);
      continue;
    }
    oldest = &backup;
    if (!reaches(backup, options)) continue;
    std::string reason = reason_of(options, i + 1 == backups.size());
    if (must_be_searched(options.type)) {
      const Found there = sources.search(backup, way.path);
      if (there == Found::no) continue;
      if (there == Found::unknown) {
        reason = format(
            "it is the newest one; whether {} is in the WAL after it was not found out, "
            "so name an older one with --set if it is not",
            target_words(options));
      }
    }
    return {&backup, std::move(way.path), std::move(reason), std::move(way.notes)};
  }
  refuse(backups, options, sources, oldest, off_path);
}

}  // namespace pgcairn::engine
