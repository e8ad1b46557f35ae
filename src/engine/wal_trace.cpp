#include "wal_trace.hpp"

#include <pgcairn/common/error.hpp>

#include <algorithm>

namespace pgcairn::engine {

std::uint64_t number_of(const std::string& segment, std::uint64_t segment_bytes) {
  const auto parsed = parse_wal_segment_name(segment, segment_bytes);
  PGCAIRN_ASSERT(parsed);
  return parsed->number;
}

namespace {

/// The first name of those that is a segment's of that size: what is no segment, or one of another
/// size (pg_resetwal --wal-segsize), is passed over.
std::string first_segment(const ArchivedNames& names, std::string from, const std::string& limit,
                          std::uint64_t segment_bytes) {
  for (;;) {
    std::string found = names.first(from, limit);
    if (found.empty() || parse_wal_segment_name(found, segment_bytes)) return found;
    from = found + "0";  // comes next
  }
}

}  // namespace

std::string next_on_path(const ArchivedNames& names, const std::vector<TimelineSpan>& path,
                         std::uint64_t number, std::uint64_t segment_bytes) {
  std::string earliest;
  for (const TimelineSpan& span : path) {
    const std::uint64_t from = std::max(number, span.begin.value / segment_bytes);
    // Of a timeline that ended, segments after the switch belong to another branch.
    const WalSegment limit =
        span.end.value == 0
            ? WalSegment{span.timeline + 1, 0}
            : WalSegment{span.timeline, (span.end.value + segment_bytes - 1) / segment_bytes};
    const std::string found =
        first_segment(names, wal_segment_name({span.timeline, from}, segment_bytes),
                      wal_segment_name(limit, segment_bytes), segment_bytes);
    if (found.empty()) continue;
    if (earliest.empty() || number_of(found, segment_bytes) < number_of(earliest, segment_bytes))
      earliest = found;
  }
  return earliest;
}

namespace {

/// Adds a segment to the last range, or begins another one.
void add_segment(WalReach& reach, const std::string& name, std::vector<std::string> holders) {
  WalRange* const last = reach.ranges.empty() ? nullptr : &reach.ranges.back();
  if (last != nullptr && last->repositories == holders &&
      last->last.substr(0, 8) == name.substr(0, 8)) {
    last->last = name;
    ++last->segments;
  } else {
    reach.ranges.push_back({name, name, 1, std::move(holders)});
  }
  reach.last = name;
}

/// Goes on until a segment is missing.
WalReach trace_to_missing(const ArchivedNames& names, const std::vector<TimelineSpan>& path,
                          std::uint64_t first, std::uint64_t segment_bytes) {
  WalReach reach;
  for (std::uint64_t number = first;; ++number) {
    const Lsn start{number * segment_bytes};
    const Lsn end{start.value + segment_bytes};
    std::string wanted;
    bool found = false;
    for (auto span = path.rbegin(); span != path.rend() && !found; ++span) {
      if (span->begin >= end) continue;                       // not begun
      if (span->end.value != 0 && span->end <= start) break;  // over
      const std::string name = wal_segment_name({span->timeline, number}, segment_bytes);
      if (wanted.empty()) wanted = name;
      std::vector<std::string> holders = names.holders(name);
      if (holders.empty()) continue;
      found = true;
      add_segment(reach, name, std::move(holders));
      // The next timeline should go on in this segment, and its part is not there.
      reach.end = name == wanted ? end : span->end;
    }
    if (found && reach.last == wanted) continue;
    reach.missing = wanted;
    return reach;
  }
}

}  // namespace

WalReach trace_wal(const ArchivedNames& names, const std::vector<TimelineSpan>& path,
                   std::uint64_t first, std::uint64_t segment_bytes) {
  WalReach reach = trace_to_missing(names, path, first, segment_bytes);
  const std::uint64_t missing = number_of(reach.missing, segment_bytes);
  reach.after_gap = next_on_path(names, path, missing + 1, segment_bytes);
  const std::string partial = reach.missing + ".partial";
  if (reach.after_gap.empty() && names.has_partial(partial)) reach.partial = partial;
  return reach;
}

WalPieces::WalPieces(const ArchivedNames& names, std::vector<TimelineSpan> path,
                     std::uint64_t segment_bytes)
    : segment_bytes_(segment_bytes) {
  for (std::string next = next_on_path(names, path, 0, segment_bytes); !next.empty();) {
    const std::uint64_t first = number_of(next, segment_bytes);
    WalReach reach = trace_wal(names, path, first, segment_bytes);
    next = reach.after_gap;
    if (reach.last.empty()) continue;  // only an older timeline has it, and ended before it
    pieces_.push_back({first, std::move(reach)});
  }
}

const WalReach* WalPieces::at(std::uint64_t number) const {
  const auto after =
      std::upper_bound(pieces_.begin(), pieces_.end(), number,
                       [](std::uint64_t n, const Piece& piece) { return n < piece.first; });
  if (after == pieces_.begin()) return nullptr;
  const WalReach& reach = std::prev(after)->reach;
  return number <= number_of(reach.last, segment_bytes_) ? &reach : nullptr;
}

bool is_gap_of_archive(const WalReach& reach, std::span<const repo::BackupInfo> backups,
                       bool some) {
  if (reach.after_gap.empty()) return false;
  // Before the oldest backup that is kept on a timeline, expire leaves nothing of it.
  const bool ends_with_timeline = reach.missing.substr(0, 8) != reach.last.substr(0, 8);
  const bool ends_with_backup =
      ends_with_timeline ||
      std::any_of(backups.begin(), backups.end(),
                  [&](const repo::BackupInfo& backup) { return backup.wal_stop == reach.last; });
  const bool begins_with_backup =
      some || std::any_of(backups.begin(), backups.end(), [&](const repo::BackupInfo& backup) {
        return backup.wal_start == reach.after_gap;
      });
  return !ends_with_backup || !begins_with_backup;
}

std::vector<std::string> segments_of(const WalReach& reach, std::uint64_t segment_bytes) {
  std::vector<std::string> names;
  for (const WalRange& range : reach.ranges) {
    auto segment = *parse_wal_segment_name(range.first, segment_bytes);
    for (std::uint64_t i = 0; i < range.segments; ++i, ++segment.number)
      names.push_back(wal_segment_name(segment, segment_bytes));
  }
  return names;
}

}  // namespace pgcairn::engine
