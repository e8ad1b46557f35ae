#pragma once

#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <set>
#include <string>
#include <string_view>

namespace pgcairn::engine {

/// "PG_15_202209061": the directory inside a tablespace that belongs to one version of PostgreSQL.
std::string tablespace_directory(const repo::BackupMarker& backup);

/// Throws DamagedError for an entry that no backup of a cluster has: a link that is not one of the
/// marker's tablespaces, something else than a tablespace's content behind one, names that only a
/// restore makes.
void require_placeable(const repo::ManifestEntry& entry, const std::string& stanza,
                       const repo::BackupMarker& backup);

/// Is a file of the manifest one of those that a restore leaves out for `unlogged` relations: all
/// forks but the init fork? Pure.
bool is_left_to_init_fork(std::string_view path, const std::set<std::string>& unlogged);

}  // namespace pgcairn::engine
