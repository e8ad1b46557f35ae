#include "wal/archived_timelines.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/timeline.hpp>

namespace pgcairn::engine {

namespace {

/// Whether a timeline has a segment, or a part of one: an empty folder is none.
bool has_wal(const repo::StanzaView& view, const std::string& cluster_id,
             const std::vector<repo::WalFolder>& folders, Timeline timeline) {
  std::map<Timeline, TimelineWal> wal;
  for (auto folder = folders.rbegin(); folder != folders.rend() && wal.empty(); ++folder) {
    if (folder->timeline != timeline) continue;
    view.wal_in(cluster_id, folder->name,
                [&](const repo::ListedWal& object) { note_archived(wal, object.file); });
  }
  return !wal.empty();
}

}  // namespace

Timelines read_histories(const repo::StanzaView& view, const repo::Cluster& cluster,
                         const std::set<Timeline>& timelines,
                         const std::function<void(Timeline, const DamagedError&)>& unreadable) {
  Timelines all;
  for (const Timeline timeline : timelines) {
    const std::string name = postgres::history_file_name(timeline);
    try {
      if (const auto content = view.read_wal(cluster, name)) all.add(timeline, *content, name);
    } catch (const DamagedError& error) {
      unreadable(timeline, error);
    }
  }
  return all;
}

std::optional<std::string> why_left(repo::Repository& repository, const std::string& stanza,
                                    const repo::BackupMarker& backup) {
  const repo::StanzaView view(repository, stanza);
  const std::vector<repo::WalFolder> folders = view.wal_folders(backup.cluster);
  std::set<Timeline> newer;
  for (const repo::WalFolder& folder : folders) {
    if (folder.timeline > backup.timeline) newer.insert(folder.timeline);
  }
  while (!newer.empty() && !has_wal(view, backup.cluster, folders, *newer.rbegin()))
    newer.erase(std::prev(newer.end()));
  if (newer.empty()) return std::nullopt;
  const Timeline newest = *newer.rbegin();
  BranchSources sources;
  sources.timelines = read_histories(
      view, {backup.system_id, backup.pg_version}, {newest},
      [&](Timeline timeline, const DamagedError&) { sources.unread.insert(timeline); });
  sources.wal[newest] = {};
  sources.wal[backup.timeline] = {};
  sources.segment_bytes = backup.wal_segment_bytes;
  const Branches branches(std::move(sources));
  if (branches.leads(backup.timeline, backup.stop_lsn, newest) == Leads::yes) return std::nullopt;
  return format("the archive has WAL of timeline {}, and {}", timeline_text(newest),
                branches.unreachable_reason(backup.timeline, backup.stop_lsn, newest));
}

}  // namespace pgcairn::engine
