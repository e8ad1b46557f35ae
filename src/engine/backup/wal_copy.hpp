#pragma once

#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/postgres/connection.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/repository.hpp>

#include <string>

namespace pgcairn::engine {

/// Keeps the server from recycling WAL while the session lasts, by a temporary replication slot.
/// Where it may not have one, that is logged, and copy_wal() finds out.
void hold_wal(postgres::Connection& connection, const std::string& label);

/// Stores the WAL that the finished backup needs, from pg_wal, under the names that the archiver
/// would have used: restore and archive-get find it as they find all WAL. Throws Error naming a
/// segment that the server has recycled already.
void copy_wal(const StanzaSettings& stanza, repo::Repository& repository,
              const repo::Cluster& cluster, const repo::BackupMarker& backup,
              compress::Codec& codec);

}  // namespace pgcairn::engine
