#pragma once

#include <pgcairn/common/calendar_span.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::repo {

// Retention: which backups stay, as pgcairn-expire(1) tells it. Pure: no repository, no clock.

/// What retention looks at of a backup.
struct RetentionBackup {
  std::string label;
  BackupType type = BackupType::full;
  std::string cluster;  // its id
  Timestamp stop_time{};
  bool damaged = false;              // then it counts for no rule, and for no last good one
  std::vector<std::string> holds;    // the reasons of those that count
  std::vector<Timeline> leads_to{};  // ends of branches that it is on the way to, newest first
  bool left = false;  // not on the way to the newest branch: then it counts for no rule, either
};

/// What retention-archive counts.
enum class ArchiveUnit { full, diff, incr, time };

/// The operator's rules. What is not set has no say; a backup stays if any rule keeps it and it is
/// not older than max_age.
struct RetentionPolicy {
  using Count = std::optional<std::uint32_t>;

  Count full;                 // full backups, or days
  bool full_in_days = false;  // retention-full-type=time
  Count diff;
  Count archive;
  ArchiveUnit archive_unit = ArchiveUnit::full;

  Count keep_last;
  std::optional<CalendarSpan> keep_within;
  Count keep_hourly;
  Count keep_daily;
  Count keep_weekly;
  Count keep_monthly;
  Count keep_quarterly;
  Count keep_yearly;

  // The ceiling: what is older goes, whatever the rules above keep.
  std::optional<CalendarSpan> max_age;

  // The floor: when a rule removes backups, these stay anyway.
  Count keep_min;
  std::optional<CalendarSpan> keep_min_age;

  /// How far the clocks of the operator's time zone are ahead of UTC.
  OffsetAt offset_at = [](Timestamp) { return std::chrono::seconds(0); };

  /// Is there a rule by which backups stay? Without one, all do that max_age leaves.
  bool keeps_backups() const;
  /// Does any rule choose among backups? The floor alone does not.
  bool chooses_backups() const { return keeps_backups() || max_age; }
  /// Is there anything that expire would do?
  bool empty() const { return !chooses_backups() && !archive; }
};

struct RetentionVerdict {
  bool keep = true;
  std::vector<std::string> reasons;  // "keep-daily 2026-11-20", "hold 'audit'", "no rule keeps it"
  /// Kept, and recovery can go on from it to any later time: WAL is kept from its start on, not
  /// only what makes it consistent.
  bool continuous_wal = false;
  /// Ends of branches that it is kept as the way to: the WAL that leads there stays, too.
  std::vector<Timeline> way_to;
};

/// A verdict for each backup. `backups`: in the order in which they were made, which their labels
/// tell whatever the clocks said.
///
/// - Spans of time are counted back from the newest good backup, not from `now`: neither a clock
///   that was set forward nor weeks without a backup make anything go.
/// - A backup whose time is later than `now` stays, and counts for no rule: it makes none go.
/// - A damaged backup counts for no rule.
/// - A backup on a branch that was left counts for no rule: it stays as long as a rule reaches back
///   behind it, and makes none go that leads to the newest branch.
/// - The newest backup stays, and of each cluster the newest good one, and for each branch a good
/// one
///   on the way to it.
std::vector<RetentionVerdict> apply_retention(std::span<const RetentionBackup> backups,
                                              const RetentionPolicy& policy, Timestamp now);

/// Good backups, and how many of them a policy that had been in force all the time would have left.
struct MassRemoval {
  std::size_t stored = 0;     // good backups that there are
  std::size_t most_kept = 0;  // the most that the rules keep, now or after any earlier backup
  std::size_t removed = 0;    // good backups that go now
};

/// Whether the policy removes most of what is stored, which rotation does not do: there are more
/// than twice as many good backups as the rules would have kept at any time since the oldest was
/// made. So the rules have become much narrower, by intent or by a slip of the finger. Where expire
/// follows each backup, an unchanged policy never gets here: what it has left, it keeps, and one
/// backup more is not twice as many.
std::optional<MassRemoval> find_mass_removal(std::span<const RetentionBackup> backups,
                                             const RetentionPolicy& policy, Timestamp now);

/// Is this the last backup that a restore can use? Then not even the operator's own word removes
/// it. It is good itself, and no other good one of its cluster or of a later one is left: on the
/// way to the newest branch, if it is on that. A clock that was wrong makes no backup less good.
bool is_last_good(std::span<const RetentionBackup> backups, std::size_t which);

}  // namespace pgcairn::repo
