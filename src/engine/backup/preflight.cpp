#include "backup/preflight.hpp"

#include "stanza/places_apart.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/postgres/page.hpp>
#include <pgcairn/repo/layout.hpp>

namespace pgcairn::engine {

namespace {

bool archives(const postgres::ServerInfo& server) {
  return server.archive_mode != "off" &&
         (!server.archive_library.empty() ||
          (!server.archive_command.empty() && server.archive_command != "(disabled)"));
}

}  // namespace

void check_server(const StanzaSettings& stanza, const postgres::ServerInfo& server,
                  const postgres::ControlFile& control, bool copies_wal) {
  require_stanza_apart(stanza);
  if (server.system_id != control.system_id) {
    throw PostgresError(
        format("the server has system identifier {}, \"{}\" has {}", server.system_id,
               stanza.data_directory.native(), control.system_id),
        "pg-path and the connection (pg-host, pg-port, pg-socket-path) must name the same cluster");
  }
  std::error_code ignored;
  if (!fs::equivalent(server.data_directory, stanza.data_directory, ignored)) {
    throw PostgresError(format("the server's data directory is \"{}\", pg-path is \"{}\"",
                               server.data_directory.native(), stanza.data_directory.native()),
                        "set pg-path to the server's data_directory, not to a copy of it");
  }
  if (control.block_bytes != postgres::kPageBytes ||
      control.relation_segment_blocks != postgres::kRelationSegmentBlocks) {
    throw PostgresError(format("the cluster has pages of {} bytes and segments of {} pages",
                               control.block_bytes, control.relation_segment_blocks),
                        "pgcairn supports PostgreSQL's usual 8 KiB pages and 1 GiB segments");
  }
  if (!archives(server) && !server.in_recovery && !copies_wal) {
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
