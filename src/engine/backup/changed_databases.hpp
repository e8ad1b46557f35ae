#pragma once

#include "backup/database_copies.hpp"

#include <pgcairn/postgres/server.hpp>
#include <pgcairn/repo/repository.hpp>

#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// Of the databases there are now, those that were made or altered since `then`. Pure.
std::vector<postgres::Database> changed_databases(const std::vector<postgres::Database>& then,
                                                  const std::vector<postgres::Database>& now);

/// Reads the WAL of a backup, all of which is in the repository, and throws UnreplayableBackup when
/// replay of it may make one of the `changed` databases without its files. `read_until`: all files
/// of the cluster were read by then.
void require_databases(repo::Repository& repository, const std::string& stanza,
                       const repo::BackupMarker& backup, Lsn read_until,
                       const std::vector<postgres::Database>& changed, const std::stop_token& stop);

}  // namespace pgcairn::engine
