#include "windows.hpp"

#include "wal_archive.hpp"

#include <algorithm>
#include <set>

namespace pgcairn::engine {

namespace {

using Segments = std::vector<std::pair<std::string, Timestamp>>;

Segments::const_iterator first_from(const Segments& segments, const std::string& name) {
  return std::lower_bound(
      segments.begin(), segments.end(), name,
      [](const auto& one, const std::string& text) { return one.first < text; });
}

/// The WAL of one way through the timelines, in pieces without a gap.
class WalPieces {
 public:
  WalPieces(const ArchivedWal& wal, std::vector<TimelineSpan> path, std::uint64_t segment_bytes)
      : wal_(wal), path_(std::move(path)), segment_bytes_(segment_bytes) {
    const auto has = [&](const std::string& name) {
      return find(name) == wal_.segments.end() ? std::vector<std::string>()
                                               : std::vector<std::string>{"here"};
    };
    for (std::string next = next_from(0); !next.empty();) {
      const WalSegment first = *parse_wal_segment_name(next, segment_bytes_);
      WalReach reach = trace_wal(path_, first, segment_bytes_, has);
      const std::uint64_t missing = number_of(reach.missing);
      next = next_from(missing + 1);
      if (reach.last.empty()) continue;  // only an older timeline has it, and ended before it
      reach.after_gap = next;
      pieces_.push_back({first.number, std::move(reach)});
    }
  }

  /// The piece that segment `number` stands in; null: it is not there.
  const WalReach* at(std::uint64_t number) const {
    const auto after =
        std::upper_bound(pieces_.begin(), pieces_.end(), number,
                         [](std::uint64_t n, const Piece& piece) { return n < piece.first; });
    if (after == pieces_.begin()) return nullptr;
    const Piece& piece = *std::prev(after);
    return number <= number_of(piece.reach.last) ? &piece.reach : nullptr;
  }

  Segments::const_iterator find(const std::string& name) const {
    const auto at = first_from(wal_.segments, name);
    return at != wal_.segments.end() && at->first == name ? at : wal_.segments.end();
  }

 private:
  struct Piece {
    std::uint64_t first;  // number of its first segment
    WalReach reach;
  };

  std::uint64_t number_of(const std::string& name) const {
    return parse_wal_segment_name(name, segment_bytes_)->number;
  }

  /// The name of the earliest segment on the way whose number is not below `number`; empty: none.
  std::string next_from(std::uint64_t number) const {
    std::string earliest;
    for (const TimelineSpan& span : path_) {
      const std::uint64_t from = std::max(number, span.begin.value / segment_bytes_);
      const auto at =
          first_from(wal_.segments, wal_segment_name({span.timeline, from}, segment_bytes_));
      if (at == wal_.segments.end()) continue;
      const WalSegment found = *parse_wal_segment_name(at->first, segment_bytes_);
      if (found.timeline != span.timeline) continue;
      // Of a timeline that ended, segments after the switch belong to another branch.
      if (span.end.value != 0 && found.number * segment_bytes_ >= span.end.value) continue;
      if (earliest.empty() || found.number < number_of(earliest)) earliest = at->first;
    }
    return earliest;
  }

  const ArchivedWal& wal_;
  std::vector<TimelineSpan> path_;
  std::uint64_t segment_bytes_;
  std::vector<Piece> pieces_;
};

/// The windows of one timeline, of the backups from which it can be reached.
std::vector<RestorableWindow> windows_of(Timeline timeline,
                                         std::span<const repo::BackupInfo* const> backups,
                                         const ArchivedWal& wal) {
  const std::uint64_t segment_bytes = backups.front()->wal_segment_bytes;
  const std::vector<TimelineSpan> path = wal.timelines.whole_path(timeline);
  const Lsn begin = path.back().begin;
  const WalPieces pieces(wal, path, segment_bytes);
  std::vector<RestorableWindow> windows;
  for (const repo::BackupInfo* const backup : backups) {
    const auto first = parse_wal_segment_name(backup->wal_start, segment_bytes);
    const WalReach* const reach = first ? pieces.at(first->number) : nullptr;
    // It must become consistent, and get as far as the timeline.
    if (reach == nullptr || reach->end < backup->stop_lsn || reach->end <= begin) continue;
    auto window = std::find_if(windows.begin(), windows.end(),
                               [&](const auto& one) { return one.missing == reach->missing; });
    if (window == windows.end()) {
      window = windows.insert(windows.end(), RestorableWindow{});
      window->cluster = backup->cluster;
      window->timeline = timeline;
      window->switched = backup->stop_lsn < begin;
      window->from = std::max(backup->stop_lsn, begin);
      const auto history = wal.histories.find(timeline);
      window->from_time =
          window->switched && history != wal.histories.end() ? history->second : backup->stop_time;
      window->to = reach->end;
      window->last = reach->last;
      window->to_time = pieces.find(reach->last)->second;
      window->missing = reach->missing;
      window->after_gap = reach->after_gap;
      const std::string partial = reach->missing + ".partial";
      if (reach->after_gap.empty() &&
          std::binary_search(wal.partials.begin(), wal.partials.end(), partial))
        window->partial = partial;
    }
    window->backups.push_back(backup->label);
  }
  return windows;
}

}  // namespace

std::vector<RestorableWindow> find_windows(std::span<const repo::BackupInfo> backups,
                                           const ArchivedWal& wal) {
  std::map<Timeline, std::vector<const repo::BackupInfo*>> reachable;
  for (const repo::BackupInfo& backup : backups) {
    for (const Timeline timeline : wal.timelines.descendants(backup.timeline, backup.stop_lsn))
      reachable[timeline].push_back(&backup);
  }
  std::vector<RestorableWindow> windows;
  for (auto& [timeline, from] : reachable) {
    std::sort(from.begin(), from.end(),
              [](const auto* a, const auto* b) { return a->stop_lsn < b->stop_lsn; });
    for (RestorableWindow& window : windows_of(timeline, from, wal))
      windows.push_back(std::move(window));
  }
  return windows;
}

}  // namespace pgcairn::engine
