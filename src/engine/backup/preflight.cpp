#include "backup/preflight.hpp"

#include "stanza/cluster_identity.hpp"
#include "stanza/places_apart.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/postgres/page.hpp>
#include <pgcairn/repo/layout.hpp>

namespace pgcairn::engine {

void check_server(const StanzaSettings& stanza, const postgres::ServerInfo& server,
                  const postgres::ControlFile& control, bool copies_wal) {
  require_stanza_apart(stanza);
  require_same_cluster(stanza, server, control.system_id,
                       "set pg-path to the server's data_directory, not to a copy of it");
  if (control.block_bytes != postgres::kPageBytes ||
      control.relation_segment_blocks != postgres::kRelationSegmentBlocks) {
    throw PostgresError(format("the cluster has pages of {} bytes and segments of {} pages",
                               control.block_bytes, control.relation_segment_blocks),
                        "pgcairn supports PostgreSQL's usual 8 KiB pages and 1 GiB segments");
  }
  if (!postgres::archives(server) && !server.in_recovery && !copies_wal) {
    throw Error("the cluster does not archive its WAL, without which no backup can be restored",
                "take it with --wal=copy, which restores to its own end and no further; or set "
                "archive_mode "
                "= on (needs a restart) and archive_command = 'pgcairn --stanza=" +
                    stanza.name + " archive-push %p'");
  }
}

void describe_cluster(repo::BackupMarker& info, const repo::Cluster& cluster,
                      const postgres::ServerInfo& server, const postgres::ControlFile& control) {
  info.cluster = repo::cluster_id(cluster);
  info.system_id = cluster.system_id;
  info.pg_version = cluster.pg_version;
  info.catalog_version = control.catalog_version;
  info.wal_segment_bytes = server.wal_segment_bytes;
  info.data_checksums = server.data_checksums;
  info.limits = control.limits;
  info.from_standby = server.in_recovery;
}

void distrust_checksums(repo::BackupMarker& info, const postgres::ControlFile& control) {
  if (!info.data_checksums || control.data_checksums) return;
  log_warn(
      format("data checksums were switched off while the cluster was read: {} pages whose checksum "
             "does not match do not count as damaged",
             info.page_error_count()));
  info.data_checksums = false;
  info.page_errors.clear();
}

}  // namespace pgcairn::engine
