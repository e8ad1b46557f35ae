#pragma once

#include <pgcairn/postgres/connection.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <stop_token>

namespace pgcairn::engine {

/// Asks the server which relations the damaged pages of a backup belong to, in a session of its own
/// for each of their databases: an answer that fails must not end backup mode. What cannot be asked
/// stays without a name.
void name_damaged_relations(repo::BackupMarker& backup,
                            const postgres::ConnectionSettings& settings, std::stop_token stop);

}  // namespace pgcairn::engine
