#include "wal/gap.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

KnownBackups::KnownBackups(std::span<const repo::BackupMarker> backups,
                           const std::string& cluster_id, std::uint64_t bytes, bool more)
    : segment_bytes(bytes), may_be_more(more) {
  for (const repo::BackupMarker& backup : backups)
    if (backup.cluster == cluster_id && backup.wal_segment_bytes == bytes) all.push_back(&backup);
}

namespace {

class GapJudge {
 public:
  GapJudge(const ArchivedNames& names, const std::vector<TimelineSpan>& path,
           const KnownBackups& backups)
      : names_(names), path_(path), backups_(backups.all), segment_bytes_(backups.segment_bytes) {}

  /// Stored by the backup itself, and no archiver is known.
  bool is_own(const repo::BackupMarker& backup) const {
    return backup.wal_copied && !names_.has_backup_file(backup.wal_start);
  }

  const repo::BackupMarker* ending_at(const std::string& segment) const {
    return find([&](const repo::BackupMarker& one) { return one.wal_stop == segment; });
  }
  const repo::BackupMarker* beginning_at(const std::string& segment) const {
    return find([&](const repo::BackupMarker& one) { return one.wal_start == segment; });
  }

  /// Is there archived WAL right before what the backup needs, that is not another backup's?
  bool is_led_up_to(const repo::BackupMarker& backup) const {
    std::uint64_t first = number(backup.wal_start);
    while (first > 0) {
      const std::string before = next_on_path(names_, path_, first - 1, segment_bytes_);
      if (before.empty() || number(before) != first - 1) return false;
      const repo::BackupMarker* const needs_it = needing(before);
      if (needs_it == nullptr) return true;
      first = std::min(first - 1, number(needs_it->wal_start));
    }
    return false;
  }

  /// Is there archived WAL right behind what the backup stored, that is not another backup's own?
  bool is_followed(const repo::BackupMarker& backup) const {
    for (std::uint64_t next = number(backup.wal_stop) + 1;;) {
      const std::string after = next_on_path(names_, path_, next, segment_bytes_);
      if (after.empty() || number(after) != next) return false;
      const repo::BackupMarker* const stored_it = needing(after);
      if (stored_it == nullptr || !is_own(*stored_it)) return true;
      next = number(stored_it->wal_stop) + 1;
    }
  }

 private:
  template <class Predicate>
  const repo::BackupMarker* find(const Predicate& is_it) const {
    const auto found = std::find_if(backups_.begin(), backups_.end(),
                                    [&](const auto* backup) { return is_it(*backup); });
    return found == backups_.end() ? nullptr : *found;
  }
  /// One that cannot become consistent without the segment.
  const repo::BackupMarker* needing(const std::string& segment) const {
    return find([&](const repo::BackupMarker& one) {
      return one.wal_start.substr(0, 8) == segment.substr(0, 8) && one.wal_start <= segment &&
             segment <= one.wal_stop;
    });
  }
  std::uint64_t number(const std::string& segment) const {
    return number_of(segment, segment_bytes_);
  }

  const ArchivedNames& names_;
  const std::vector<TimelineSpan>& path_;
  const std::vector<const repo::BackupMarker*>& backups_;
  std::uint64_t segment_bytes_;
};

/// Did another timeline leave in the last segment that is there? Expire keeps what leads to it.
bool ends_where_left(const Timelines& timelines, const WalReach& reach,
                     std::uint64_t segment_bytes) {
  const auto last = parse_wal_segment_name(reach.last, segment_bytes);
  return last && timelines.was_left_between(last->timeline, Lsn{last->number * segment_bytes},
                                            Lsn{(last->number + 1) * segment_bytes});
}

}  // namespace

Gap judge_gap(const ArchivedNames& names, const Timelines& timelines,
              const std::vector<TimelineSpan>& path, const WalReach& reach,
              const KnownBackups& backups) {
  if (reach.after_gap.empty()) return Gap::none;
  const GapJudge judge(names, path, backups);
  const repo::BackupMarker* const ended = judge.ending_at(reach.last);
  // Before the oldest backup that is kept on a timeline, expire leaves nothing of it.
  const bool ends_something = ended != nullptr ||
                              reach.missing.substr(0, 8) != reach.last.substr(0, 8) ||
                              ends_where_left(timelines, reach, backups.segment_bytes);
  const repo::BackupMarker* const begins = judge.beginning_at(reach.after_gap);
  if (begins == nullptr) return ends_something && backups.may_be_more ? Gap::unpromised : Gap::lost;
  if (judge.is_own(*begins)) {
    return !ends_something && judge.is_followed(*begins) ? Gap::doubtful : Gap::unpromised;
  }
  if (!ends_something) return Gap::lost;
  const bool went_on = ended != nullptr && !judge.is_own(*ended) && judge.is_led_up_to(*ended);
  return went_on ? Gap::lost : Gap::unpromised;
}

std::string gap_words(Gap gap, const std::string& missing, const std::string& after_gap) {
  if (gap == Gap::unpromised) {
    return format(
        "no WAL is kept from {} to before {}, where a backup's own begins: no moment between them "
        "can be restored",
        missing, after_gap);
  }
  if (gap == Gap::doubtful) {
    return format(
        "WAL is missing from {} to before {}, where a backup's own begins that stored it itself: "
        "the archive was switched off for a time, or has lost it, and which of the two is not "
        "known; no moment between them can be restored",
        missing, after_gap);
  }
  return {};
}

std::string_view name_of(Gap gap) {
  static constexpr std::string_view names[] = {"none", "unpromised", "doubtful", "lost"};
  return names[static_cast<std::size_t>(gap)];
}

}  // namespace pgcairn::engine
