#include "wal/trace.hpp"

#include <pgcairn/common/error.hpp>

#include <algorithm>

namespace pgcairn::engine {

std::uint64_t number_of(const std::string& segment, std::uint64_t segment_bytes) {
  const auto parsed = parse_wal_segment_name(segment, segment_bytes);
  PGCAIRN_ASSERT(parsed);
  return parsed->number;
}

std::vector<SegmentRange> asked_for(const std::vector<TimelineSpan>& path, std::uint64_t first,
                                    std::uint64_t segment_bytes) {
  std::vector<SegmentRange> ranges;
  for (const TimelineSpan& span : path) {
    const bool goes_on = span.end.value == 0;
    const SegmentRange range{
        span.timeline, std::max(first, span.begin.value / segment_bytes),
        goes_on ? kNoEnd : (span.end.value + segment_bytes - 1) / segment_bytes, span.end};
    if (range.first < range.end) ranges.push_back(range);
  }
  return ranges;
}

namespace {

/// The first name of those that is a segment's of that size: what is not a segment, or one of
/// another size (pg_resetwal --wal-segsize), is skipped.
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
  for (const SegmentRange& range : asked_for(path, number, segment_bytes)) {
    // Of a timeline that was left, segments after the switch belong to another branch.
    const WalSegment limit = range.end == kNoEnd ? WalSegment{range.timeline + 1, 0}
                                                 : WalSegment{range.timeline, range.end};
    const std::string found =
        first_segment(names, wal_segment_name({range.timeline, range.first}, segment_bytes),
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
  const std::vector<SegmentRange> ranges = asked_for(path, first, segment_bytes);
  WalReach reach;
  for (std::uint64_t number = first;; ++number) {
    std::string wanted;
    bool found = false;
    for (auto range = ranges.rbegin(); range != ranges.rend() && !found; ++range) {
      if (number < range->first || number >= range->end) continue;
      const std::string name = wal_segment_name({range->timeline, number}, segment_bytes);
      if (wanted.empty()) wanted = name;
      std::vector<std::string> holders = names.holders(name);
      if (holders.empty()) continue;
      found = true;
      add_segment(reach, name, std::move(holders));
      // The next timeline should go on in this segment, and its part is not there.
      reach.end = name == wanted ? Lsn{(number + 1) * segment_bytes} : range->over;
    }
    if (found && reach.last == wanted) continue;
    // No timeline has begun there: by its history, the first one begins later.
    if (wanted.empty()) wanted = wal_segment_name({path.front().timeline, number}, segment_bytes);
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
