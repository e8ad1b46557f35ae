#pragma once

#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/postgres/control.hpp>
#include <pgcairn/postgres/server.hpp>
#include <pgcairn/repo/backup_marker.hpp>

namespace pgcairn::engine {

/// Refuses what would end in a backup that cannot be restored, or in one of another cluster.
void check_server(const StanzaSettings& stanza, const postgres::ServerInfo& server,
                  const postgres::ControlFile& control, bool copies_wal);

/// Fills in what cluster the backup is of.
void describe_cluster(repo::BackupMarker& info, const repo::Cluster& cluster,
                      const postgres::ServerInfo& server, const postgres::ControlFile& control);

/// Where data checksums were switched while the cluster was read (from 19 on a server does that
/// while it runs), pages without one are not damage, and the next backup must not build on this
/// one. `control`: the control file at the end.
void distrust_checksums(repo::BackupMarker& info, const postgres::ControlFile& control);

}  // namespace pgcairn::engine
