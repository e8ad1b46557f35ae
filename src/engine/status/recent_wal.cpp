#include "status/recent_wal.hpp"

#include "restore/preference.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/timeline.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>
#include <functional>
#include <set>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kGroupDigits = 15;  // of a segment's name: sixteen folders of 256
constexpr std::size_t kMostHistories = 32;

/// Of the newest timelines: each history names all the ancestors.
void read_histories(const repo::StanzaView& view, const repo::Cluster& cluster,
                    const std::set<Timeline, std::greater<>>& all, RecentWal& recent) {
  std::size_t read = 0;
  for (const Timeline timeline : all) {
    if (timeline == 1 || ++read > kMostHistories) return;
    const std::string name = postgres::history_file_name(timeline);
    try {
      if (const auto content = view.read_wal(cluster, name))
        recent.wal.timelines.add(timeline, *content, name);
    } catch (const DamagedError& error) {
      recent.unreadable.push_back(error.message());
    }
  }
}

}  // namespace

RecentWal read_recent_wal(repo::Repository& repository, const std::string& stanza,
                          const repo::Cluster& cluster, const std::string& first_needed) {
  RecentWal recent;
  const repo::StanzaView view(repository, stanza);
  const std::string id = repo::cluster_id(cluster);
  std::set<std::string, std::greater<>> groups;
  std::set<Timeline, std::greater<>> timelines;
  for (const repo::WalFolder& folder : view.wal_folders(id)) {
    groups.insert(folder.name.substr(0, kGroupDigits));
    timelines.insert(folder.timeline);
  }
  const std::string needed = first_needed.substr(0, kGroupDigits);
  std::size_t listed = 0;
  for (const std::string& group : groups) {
    const bool is_needed = !needed.empty() && group >= needed;
    if (listed == kMostGroups || (listed >= kFewGroups && !is_needed)) break;
    view.wal_in(id, group,
                [&](const repo::ListedWal& object) { note_archived(recent.wal, object); });
    ++listed;
  }
  std::sort(recent.wal.segments.begin(), recent.wal.segments.end());
  std::sort(recent.wal.partials.begin(), recent.wal.partials.end());
  if (listed < groups.size() && !recent.wal.segments.empty())
    recent.looked_from = recent.wal.segments.front().first;
  read_histories(view, cluster, timelines, recent);
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
