#include "status/recent_wal.hpp"

#include "restore/preference.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <functional>
#include <set>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kGroupDigits = 15;  // of a segment's name: sixteen folders of 256
constexpr std::size_t kMostHistories = 32;

void list_group(repo::Repository& repository, const std::string& prefix, ArchivedWal& wal) {
  repository.driver().list(prefix, [&](const storage::Object& object) {
    std::string file = object.key.substr(object.key.rfind('/') + 1);
    const auto kind = wal_file_kind(file);
    if (kind == WalFileKind::partial) wal.partials.push_back(file);
    if (kind == WalFileKind::backup_history) wal.backup_files.insert(file.substr(0, 24));
    if (kind == WalFileKind::segment) wal.segments.emplace_back(std::move(file), object.modified);
  });
}

/// Of the newest timelines: each history names all the ancestors.
void read_histories(repo::Repository& repository, const std::string& stanza,
                    const repo::Cluster& cluster, const std::set<Timeline, std::greater<>>& all,
                    RecentWal& recent) {
  std::size_t read = 0;
  for (const Timeline timeline : all) {
    if (timeline == 1 || ++read > kMostHistories) return;
    const std::string name = format("{:08X}.history", timeline);
    try {
      Buffer content;
      if (repository.get_wal(stanza, cluster, name, [&](Bytes piece) { content.append(piece); }))
        recent.wal.timelines.add(timeline, content, name);
    } catch (const DamagedError& error) {
      recent.unreadable.push_back(error.message());
    }
  }
}

}  // namespace

RecentWal read_recent_wal(repo::Repository& repository, const std::string& stanza,
                          const repo::Cluster& cluster, const std::string& first_needed) {
  RecentWal recent;
  const std::string prefix = repo::wal_prefix(stanza, repo::cluster_id(cluster));
  std::set<std::string, std::greater<>> groups;
  std::set<Timeline, std::greater<>> timelines;
  for (const std::string& folder : repository.driver().folders(prefix)) {
    const auto timeline = parse_u64(std::string_view(folder).substr(0, 8), 16);
    if (folder.size() != kGroupDigits + 1 || !timeline) continue;
    groups.insert(folder.substr(0, kGroupDigits));
    timelines.insert(static_cast<Timeline>(*timeline));
  }
  const std::string needed = first_needed.substr(0, kGroupDigits);
  std::size_t listed = 0;
  for (const std::string& group : groups) {
    const bool is_needed = !needed.empty() && group >= needed;
    if (listed == kMostGroups || (listed >= kFewGroups && !is_needed)) break;
    list_group(repository, prefix + group, recent.wal);
    ++listed;
  }
  std::sort(recent.wal.segments.begin(), recent.wal.segments.end());
  std::sort(recent.wal.partials.begin(), recent.wal.partials.end());
  if (listed < groups.size() && !recent.wal.segments.empty())
    recent.looked_from = recent.wal.segments.front().first;
  read_histories(repository, stanza, cluster, timelines, recent);
  return recent;
}

std::string first_needed(std::span<const repo::BackupMarker> backups,
                         const repo::RecordState* record_state) {
  for (auto backup = backups.rbegin(); backup != backups.rend(); ++backup) {
    const bool damaged = record_state != nullptr && record_state->damage(backup->label) != nullptr;
    if (!damaged && page_flaw(*backup).kind == Flaw::Kind::none) return backup->wal_start;
  }
  return backups.empty() ? std::string() : backups.front().wal_start;
}

}  // namespace pgcairn::engine
