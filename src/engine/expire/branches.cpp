#include "expire/branches.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

ExpireBranches::ExpireBranches(repo::Repository& repository, const std::string& stanza,
                               std::span<const repo::Cluster> clusters, Catalog& catalog,
                               std::vector<std::string>& notes) {
  const repo::StanzaView view(repository, stanza);
  for (const repo::Cluster& cluster : clusters) {
    const std::string id = repo::cluster_id(cluster);
    const std::set<Timeline> with_wal = view.wal_timelines(id);
    BranchSources sources;
    sources.timelines =
        read_histories(view, cluster, with_wal, [&](Timeline timeline, const DamagedError& error) {
          sources.unread.insert(timeline);
          notes.push_back(
              format("all WAL of timeline {} stays: {}", timeline_text(timeline), error.message()));
        });
    timelines_[id] = sources.timelines;
    without_way_[id] = {};
    std::set<Timeline> all = with_wal;
    for (const CatalogBackup& backup : catalog.backups) {
      if (backup.judged.cluster != id) continue;
      sources.backups.push_back({backup.timeline, backup.stop_lsn});
      sources.segment_bytes = backup.wal_segment_bytes;
      all.insert(backup.timeline);
    }
    if (all.size() < 2) continue;
    view.wal(id, [&](const repo::ListedWal& object) { note_archived(sources.wal, object.file); });
    mark(Branches(std::move(sources)), id, catalog);
  }
}

const Timelines& ExpireBranches::timelines(const std::string& cluster_id) const {
  return timelines_.at(cluster_id);
}

const std::set<Timeline>& ExpireBranches::without_way(const std::string& cluster_id) const {
  return without_way_.at(cluster_id);
}

void ExpireBranches::mark(const Branches& branches, const std::string& cluster_id,
                          Catalog& catalog) {
  several_ |= branches.tips().size() > 1;
  for (const Timeline tip : branches.tips()) {
    const bool certain = branches.describe(tip).has_way;
    bool may = certain;
    for (CatalogBackup& backup : catalog.backups) {
      if (backup.judged.cluster != cluster_id) continue;
      const Leads leads = branches.leads(backup.timeline, backup.stop_lsn, tip);
      // Where no backup is known to lead there, one that may is better than none.
      if (leads == Leads::yes || (leads == Leads::unknown && !certain)) {
        backup.judged.leads_to.push_back(tip);
        may = true;
      }
      if (tip == branches.newest()) backup.judged.left = leads == Leads::no;
    }
    if (!may && tip == branches.newest()) without_way_[cluster_id].insert(tip);
  }
}

}  // namespace pgcairn::engine
