#include "wal_copy.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/wal_file.hpp>

namespace pgcairn::engine {

void hold_wal(postgres::Connection& connection, const std::string& label) {
  std::string name = "pgcairn_";
  for (const char c : label) {
    if (c >= '0' && c <= '9') name += c;
  }
  try {
    connection.query("SELECT pg_create_physical_replication_slot($1, true, true)", {name});
  } catch (const PostgresError& error) {
    if (!connection.alive()) throw;
    log_warn(
        format("the server may recycle WAL that the backup needs, as there is no replication "
               "slot to hold it: {}",
               error.message()));
  }
}

void copy_wal(const StanzaSettings& stanza, repo::Repository& repository,
              const repo::Cluster& cluster, const repo::BackupInfo& backup,
              compress::Codec& codec) {
  const std::uint64_t bytes = backup.wal_segment_bytes;
  auto segment = *parse_wal_segment_name(backup.wal_start, bytes);
  const auto last = *parse_wal_segment_name(backup.wal_stop, bytes);
  for (; segment.number <= last.number; ++segment.number) {
    const std::string name = wal_segment_name(segment, bytes);
    const auto content = read_file_if_exists(stanza.data_directory / "pg_wal" / name, kGiB);
    if (!content) {
      if (repository.has_wal(stanza.name, cluster, name)) continue;  // the archiver was there first
      throw Error(format("the server has recycled WAL segment {}, which the backup needs", name),
                  "raise wal_keep_size, or give the role the REPLICATION attribute, so that a slot "
                  "holds the WAL");
    }
    postgres::check_wal_segment(*content, name, cluster.system_id, cluster.pg_version);
    repository.put_wal(stanza.name, cluster, name, *content, codec);
  }
}

}  // namespace pgcairn::engine
