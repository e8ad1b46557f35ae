#pragma once

#include "timelines.hpp"
#include "wal_trace.hpp"

#include <pgcairn/common/time.hpp>
#include <pgcairn/engine/info.hpp>
#include <pgcairn/repo/backup_info.hpp>

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// What is archived of one cluster, with the times at which it was, by the store's clock.
struct ArchivedWal {
  std::vector<std::pair<std::string, Timestamp>> segments;  // sorted by name
  std::vector<std::string> partials;                        // "....partial", sorted
  std::set<std::string> backup_files;  // segments of which there is a "....backup"
  std::map<Timeline, Timestamp> histories;
  Timelines timelines;
};

/// For a trace; `wal` must outlive it.
ArchivedNames names_of(const ArchivedWal& wal);

/// The stretches to which the cluster can be restored, by timeline and start. `backups` are all of
/// the cluster's, in any order. Pure.
std::vector<RestorableWindow> find_windows(std::span<const repo::BackupInfo> backups,
                                           const ArchivedWal& wal);

}  // namespace pgcairn::engine
