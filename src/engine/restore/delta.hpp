#pragma once

#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// Is the directory, which is not empty, the data directory of the cluster that was backed up? Else
/// why not.
struct Ownership {
  bool own = false;
  std::string foreign_reason;
};
Ownership ownership(const std::filesystem::path& data_directory, const repo::BackupMarker& backup);

/// Of the plan's places outside of the data directory those that --delta may change: the
/// directory's own links lead there, or they are in the folder that is a drill's own. (The server
/// of a drill that was killed may have set its links to where the original's tablespaces are.) Of a
/// copy these are none but those that a map names, since what a copied link leads to belongs to the
/// original.
std::vector<std::filesystem::path> own_places(const RestorePlan& plan);

/// Finds what the cluster has outside of the data directory and the restored one will not use:
/// tablespaces that are new since, or that move. Files left there would be taken for current ones
/// by a replayed CREATE TABLESPACE. Adds to plan.abandoned, or to plan.notes where a copy must
/// leave them alone.
void find_abandoned_places(RestorePlan& plan);
/// A link alone does not make a tablespace this cluster's own: a clone made by hand has the links
/// of its original, and replay makes such, too. Throws for those of plan.abandoned that neither the
/// operator named nor an interrupted restore.
void require_named(const RestorePlan& plan);

}  // namespace pgcairn::engine
