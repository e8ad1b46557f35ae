#pragma once

#include "wal/archived_wal.hpp"
#include "wal/branches.hpp"

#include <pgcairn/common/bytes.hpp>

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// What the branches of a cluster follow from, of which `backups` are all.
BranchSources branch_sources(const ArchivedWal& wal, std::span<const repo::BackupMarker> backups);

/// The branches of a cluster, the newest first; where there are several, each with its last
/// transaction if a look into its last segments finds one: a few segments of a few branches,
/// however many there are. `read` gives an archived file or throws; then the time is not known.
std::vector<Branch> read_branch_ends(const Branches& branches, const std::string& cluster,
                                     const std::function<Buffer(const std::string&)>& read);

}  // namespace pgcairn::engine
