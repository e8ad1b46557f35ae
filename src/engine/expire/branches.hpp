#pragma once

#include "expire/catalog.hpp"
#include "wal/archived_timelines.hpp"

#include <map>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The branches of the stanza's clusters, for retention: tells each backup of the catalog which of
/// them it is on the way to.
class ExpireBranches {
 public:
  /// Reads histories, and of clusters with several timelines the names of WAL, too. `notes` are
  /// given what could not be read.
  ExpireBranches(repo::Repository& repository, const std::string& stanza,
                 std::span<const repo::Cluster> clusters, Catalog& catalog,
                 std::vector<std::string>& notes);

  /// Of the cluster's timelines that have WAL.
  const Timelines& timelines(const std::string& cluster_id) const;
  /// The newest timelines that no backup leads to: what does may be in another repository.
  const std::set<Timeline>& without_way(const std::string& cluster_id) const;
  /// A cluster has more than one.
  bool several() const { return several_; }

 private:
  void mark(const Branches& branches, const std::string& cluster_id, Catalog& catalog);
  std::map<std::string, Timelines> timelines_;
  std::map<std::string, std::set<Timeline>> without_way_;
  bool several_ = false;
};

}  // namespace pgcairn::engine
