#pragma once

#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <cstdint>
#include <optional>
#include <set>
#include <string_view>

namespace pgcairn::engine {

/// Which databases come back empty, by oid. What initdb makes (template0, template1, postgres) and
/// what is shared always comes back. Pure. Throws UsageError for a name that the backup does not
/// have, or that may not be left out.
std::set<std::uint32_t> left_out_databases(const repo::BackupMarker& backup,
                                           const RestoreOptions& options);

/// The database whose directory a path of the manifest is in.
std::optional<std::uint32_t> database_of(std::string_view path);

/// Does this file become a hole of its size? Relations do, and pg_filenode.map: without it a
/// connection (autovacuum, too) is refused with an error, while with it the empty catalogs crash
/// the whole server (measured on 15 and 18). PG_VERSION stays.
bool is_left_out(const repo::ManifestEntry& entry, const std::set<std::uint32_t>& databases);

}  // namespace pgcairn::engine
