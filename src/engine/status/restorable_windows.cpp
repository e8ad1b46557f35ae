#include "status/restorable_windows.hpp"

#include "wal/gap.hpp"

#include <algorithm>
#include <set>

namespace pgcairn::engine {

namespace {

/// Where the way to a timeline ends before it comes there, though WAL of it is there.
struct GapBefore {
  std::string missing;
  std::string after_gap;
  Gap gap = Gap::none;
};

/// The windows of one timeline, of the backups from which it can be reached.
std::vector<RestorableWindow> windows_of(Timeline timeline,
                                         std::span<const repo::BackupMarker* const> backups,
                                         std::span<const repo::BackupMarker> all,
                                         const ArchivedWal& wal, std::vector<GapBefore>& gaps) {
  const std::uint64_t segment_bytes = backups.front()->wal_segment_bytes;
  const std::vector<TimelineSpan> path = wal.timelines.whole_path(timeline);
  const Lsn begin = path.back().begin;
  const ArchivedNames names = names_of(wal);
  const WalPieces pieces(names, path, segment_bytes);
  const KnownBackups known(all, backups.front()->cluster, segment_bytes);
  const auto gap_of = [&](const WalReach& reach) {
    return judge_gap(names, wal.timelines, path, reach, known);
  };
  std::vector<RestorableWindow> windows;
  for (const repo::BackupMarker* const backup : backups) {
    const auto first = parse_wal_segment_name(backup->wal_start, segment_bytes);
    const WalReach* const reach = first ? pieces.at(first->number) : nullptr;
    // It must become consistent, and get as far as the timeline.
    if (reach == nullptr || reach->end < backup->stop_lsn) continue;
    if (reach->end <= begin) {
      if (!reach->after_gap.empty())
        gaps.push_back({reach->missing, reach->after_gap, gap_of(*reach)});
      continue;
    }
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
      window->to_time = archived_at(wal, reach->last);
      window->missing = reach->missing;
      window->after_gap = reach->after_gap;
      window->gap = gap_of(*reach);
      window->partial = reach->partial;
    }
    window->backups.push_back(backup->label);
  }
  return windows;
}

/// Where a timeline's WAL ends and a later one's goes on beyond a gap, the window says so.
void name_gaps_before(std::vector<RestorableWindow>& windows, const std::vector<GapBefore>& gaps) {
  for (RestorableWindow& window : windows) {
    if (!window.after_gap.empty()) continue;
    for (const GapBefore& gap : gaps) {
      if (gap.missing.substr(8) != window.missing.substr(8)) continue;
      window.missing = gap.missing;
      window.after_gap = gap.after_gap;
      window.gap = gap.gap;
    }
  }
}

}  // namespace

std::vector<RestorableWindow> find_windows(std::span<const repo::BackupMarker> backups,
                                           const ArchivedWal& wal) {
  std::map<Timeline, std::vector<const repo::BackupMarker*>> reachable;
  for (const repo::BackupMarker& backup : backups) {
    for (const Timeline timeline : wal.timelines.descendants(backup.timeline, backup.stop_lsn))
      reachable[timeline].push_back(&backup);
  }
  std::vector<RestorableWindow> windows;
  std::vector<GapBefore> gaps;
  for (auto& [timeline, from] : reachable) {
    std::sort(from.begin(), from.end(),
              [](const auto* a, const auto* b) { return a->stop_lsn < b->stop_lsn; });
    for (RestorableWindow& window : windows_of(timeline, from, backups, wal, gaps))
      windows.push_back(std::move(window));
  }
  name_gaps_before(windows, gaps);
  return windows;
}

}  // namespace pgcairn::engine
