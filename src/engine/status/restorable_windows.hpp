#pragma once

#include "wal/archived_wal.hpp"

#include <pgcairn/common/time.hpp>
#include <pgcairn/engine/status/info.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <map>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The stretches to which the cluster can be restored, by timeline and start. `backups` are all of
/// the cluster's, in any order. Pure.
std::vector<RestorableWindow> find_windows(std::span<const repo::BackupMarker> backups,
                                           const ArchivedWal& wal);

}  // namespace pgcairn::engine
