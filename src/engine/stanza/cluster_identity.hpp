#pragma once

#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/postgres/control.hpp>
#include <pgcairn/postgres/server.hpp>
#include <pgcairn/repo/repository.hpp>

#include <string>

namespace pgcairn::engine {

/// The identity that the data directory's pg_control shows. Throws UsageError when no pg-path is
/// configured.
repo::Cluster local_cluster(const StanzaSettings& stanza);
/// All that it shows.
postgres::ControlFile local_control(const StanzaSettings& stanza);

/// Throws MissingError when the stanza does not exist in the repository, PostgresError when it
/// exists and `cluster` is not one of its clusters.
void require_cluster(repo::Repository& repository, const StanzaSettings& stanza,
                     const repo::Cluster& cluster);

/// Throws PostgresError when the server that answers is not the one that runs in the stanza's data
/// directory, which has this system identifier. The hint is for a server of another directory,
/// which may be a copy.
void require_same_cluster(const StanzaSettings& stanza, const postgres::ServerInfo& server,
                          SystemId local, std::string hint);

}  // namespace pgcairn::engine
