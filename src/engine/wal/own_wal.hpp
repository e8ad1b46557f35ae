#pragma once

#include "wal/mark.hpp"

#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/postgres/connection.hpp>
#include <pgcairn/postgres/server.hpp>
#include <pgcairn/repo/repository.hpp>

#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

// A segment's name says where it is in the log, not whose it is: another life of the cluster uses
// the same names.

/// Throws ConflictError when the archived WAL of the server's timeline is not this server's: it
/// goes further than a primary has come, or the newest archived segment that is also in pg_wal has
/// other WAL. Looks at a few folders and reads one segment.
void require_own_archive(const StanzaSettings& stanza, repo::Repository& repository,
                         const repo::Cluster& cluster, postgres::Connection& connection,
                         const postgres::ServerInfo& server);

/// Throws ConflictError when one of the archived segments `names`, in order, is not the server's.
/// The first and the last are held against `marks`, which were taken while they were in pg_wal.
/// The others against pg_wal, some of the newest that are still there: the server recycles none
/// that archive_command has not accepted, and archive-push compares.
void require_own_wal(const StanzaSettings& stanza, repo::Repository& repository,
                     const repo::Cluster& cluster, const std::vector<std::string>& names,
                     std::uint64_t segment_bytes, std::span<const WalMark> marks,
                     const std::stop_token& stop);

/// What require_own_wal throws: words for a name that is taken by another life.
ConflictError of_another_life(const repo::Repository& repository, const std::string& segment);

}  // namespace pgcairn::engine
