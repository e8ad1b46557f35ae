#include "wal/archived_timelines.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

namespace pgcairn::engine {

namespace {

/// Whether a timeline has a segment, or a part of one: an empty folder is none.
bool has_wal(repo::Repository& repository, const std::string& prefix,
             const std::vector<std::string>& folders, Timeline timeline) {
  std::map<Timeline, TimelineWal> wal;
  const std::string own = format("{:08X}", timeline);
  for (auto folder = folders.rbegin(); folder != folders.rend() && wal.empty(); ++folder) {
    if (!folder->starts_with(own)) continue;
    repository.driver().list(prefix + *folder + "/", [&](const storage::Object& object) {
      note_archived(wal, object.key.substr(object.key.rfind('/') + 1));
    });
  }
  return !wal.empty();
}

std::optional<Timeline> timeline_of_folder(std::string_view folder) {
  const auto number = folder.size() == 16 ? parse_u64(folder.substr(0, 8), 16) : std::nullopt;
  return number ? std::optional(static_cast<Timeline>(*number)) : std::nullopt;
}

}  // namespace

std::set<Timeline> timelines_with_folders(repo::Repository& repository, const std::string& stanza,
                                          const std::string& cluster_id) {
  std::set<Timeline> all;
  for (const auto& folder : repository.driver().folders(repo::wal_prefix(stanza, cluster_id))) {
    if (const auto timeline = timeline_of_folder(folder)) all.insert(*timeline);
  }
  return all;
}

Timelines read_histories(repo::Repository& repository, const std::string& stanza,
                         const repo::Cluster& cluster, const std::set<Timeline>& timelines,
                         const std::function<void(Timeline, const DamagedError&)>& unreadable) {
  Timelines all;
  for (const Timeline timeline : timelines) {
    const std::string name = format("{:08X}.history", timeline);
    Buffer content;
    try {
      const bool found =
          repository.get_wal(stanza, cluster, name, [&](Bytes piece) { content.append(piece); });
      if (found) all.add(timeline, content, name);
    } catch (const DamagedError& error) {
      unreadable(timeline, error);
    }
  }
  return all;
}

std::optional<std::string> why_left(repo::Repository& repository, const std::string& stanza,
                                    const repo::BackupMarker& backup) {
  const std::string prefix = repo::wal_prefix(stanza, backup.cluster);
  const std::vector<std::string> folders = repository.driver().folders(prefix);
  std::set<Timeline> newer;
  for (const std::string& folder : folders) {
    const auto timeline = timeline_of_folder(folder);
    if (timeline && *timeline > backup.timeline) newer.insert(*timeline);
  }
  while (!newer.empty() && !has_wal(repository, prefix, folders, *newer.rbegin()))
    newer.erase(std::prev(newer.end()));
  if (newer.empty()) return std::nullopt;
  const Timeline newest = *newer.rbegin();
  BranchSources sources;
  sources.timelines = read_histories(
      repository, stanza, {backup.system_id, backup.pg_version}, {newest},
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
