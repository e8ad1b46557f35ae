#pragma once

#include "restore/wal_way.hpp"
#include "wal/archive_reader.hpp"

#include <pgcairn/engine/restore/restore.hpp>

#include <span>
#include <string>

namespace pgcairn::engine {

/// Follows the WAL that recovery replays, as far as the plan has to know it (plan.way), and decides
/// what the restored server needs to get over it: settings as high as those of the servers that
/// wrote it, and no files of relations that become unlogged on the way. Throws NotReplayableError
/// when recovery would stop before its target, since wal_level was minimal for a while.
void follow_way(RestorePlan& plan, ArchiveReader& archive, std::span<repo::Repository> repositories,
                Progress& progress);

/// "base/5/16399", "pg_tblspc/16400/PG_15_202209061/5/16399".
std::string relation_path(const postgres::RelationName& relation, const repo::BackupMarker& backup);

}  // namespace pgcairn::engine
