#include "wal/branch_ends.hpp"

#include "wal/end.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/timeline.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kMostBranchesRead = 8;
constexpr std::size_t kMostSegmentsRead = 4;

/// The last segments of a timeline's own, as far as they can be named: one that is missing keeps
/// those before it from being read, and the time from being known.
WalStretch own_end(const Branches& branches, const Branch& branch) {
  WalStretch stretch;
  stretch.segment_bytes = branches.segment_bytes();
  stretch.from = branches.timelines().path(branch.timeline, branch.timeline).back().begin;
  stretch.to = postgres::kEndOfLog;
  const auto own = branches.wal().find(branch.timeline);
  if (own == branches.wal().end()) return stretch;
  const TimelineWal& wal = own->second;
  const auto first = parse_wal_segment_name(wal.first, stretch.segment_bytes);
  const auto last = parse_wal_segment_name(wal.last, stretch.segment_bytes);
  if (first && last) {
    const std::uint64_t count =
        std::min<std::uint64_t>(last->number - first->number + 1, kMostSegmentsRead);
    for (std::uint64_t i = count; i-- > 0;) {
      stretch.names.push_back(
          wal_segment_name({branch.timeline, last->number - i}, stretch.segment_bytes));
    }
  }
  if (wal.partial > wal.last) stretch.names.push_back(wal.partial);
  return stretch;
}

}  // namespace

BranchSources branch_sources(const ArchivedWal& wal, std::span<const repo::BackupMarker> backups) {
  BranchSources sources;
  sources.timelines = wal.timelines;
  for (const auto& [timeline, time] : wal.histories) sources.unread.insert(timeline);
  for (const Timeline timeline : wal.timelines.known()) sources.unread.erase(timeline);
  for (const auto& [name, time] : wal.segments) note_archived(sources.wal, name);
  for (const std::string& name : wal.partials) note_archived(sources.wal, name);
  for (const repo::BackupMarker& backup : backups) {
    sources.backups.push_back({backup.timeline, backup.stop_lsn});
    sources.segment_bytes = backup.wal_segment_bytes;
  }
  return sources;
}

std::vector<Branch> read_branch_ends(const Branches& branches, const std::string& cluster,
                                     const std::function<Buffer(const std::string&)>& read) {
  std::vector<Branch> all;
  for (const Timeline tip : branches.tips()) {
    Branch branch = branches.describe(tip);
    branch.cluster = cluster;
    if (branches.tips().size() > 1 && all.size() < kMostBranchesRead) {
      try {
        const auto go_on = [](std::size_t looked_at) { return looked_at <= kMostSegmentsRead; };
        branch.last_commit = find_wal_end(own_end(branches, branch), 1, go_on, read).last_commit;
      } catch (const Error& error) {
        log_detail(
            format("the last transaction of timeline {} is not known: {}", tip, error.message()));
      }
    }
    all.push_back(std::move(branch));
  }
  return all;
}

}  // namespace pgcairn::engine
