#pragma once

#include "backup/file_plan.hpp"

#include <pgcairn/postgres/connection.hpp>
#include <pgcairn/postgres/server.hpp>
#include <pgcairn/postgres/wal_summary.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>

namespace pgcairn::engine {

/// How a backup tells which pages have changed since the one it builds on.
struct ChangedPages {
  ChangeOf change_of;  // empty: every page that may have changed is read and compared
  std::string reason;  // why there are no usable summaries; empty when there are
};

/// The relation that a file in a database's or the global directory belongs to, by its path in the
/// data directory.
postgres::RelationKey relation_of(std::string_view path, std::uint32_t relfilenode);

/// Asks the WAL summaries (PostgreSQL 17 on) what changed from the start of `prior` to `start`. To
/// be called after the backup's start. Throws only when the server is lost or `stop` is requested:
/// everything else is a reason to compare.
ChangedPages find_changes(postgres::Connection& connection,
                          const std::filesystem::path& data_directory,
                          const repo::BackupMarker& prior, const postgres::BackupStart& start,
                          std::stop_token stop);

}  // namespace pgcairn::engine
