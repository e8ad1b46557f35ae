#include "backup/wal_copy.hpp"

#include "wal/recorded_limits.hpp"
#include "wal/source.hpp"
#include "wal/store.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>

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
              const repo::Cluster& cluster, const repo::BackupMarker& backup,
              compress::Codec& codec) {
  const std::uint64_t bytes = backup.wal_segment_bytes;
  auto segment = *parse_wal_segment_name(backup.wal_start, bytes);
  const auto last = *parse_wal_segment_name(backup.wal_stop, bytes);
  for (; segment.number <= last.number; ++segment.number) {
    const std::string name = wal_segment_name(segment, bytes);
    const auto source = WalSource::open_if_exists(stanza.data_directory / "pg_wal" / name);
    if (!source) {
      if (repository.has_wal(stanza.name, cluster, name)) continue;  // the archiver was there first
      throw Error(format("the server has recycled WAL segment {}, which the backup needs", name),
                  "raise wal_keep_size, or give the role the REPLICATION attribute, so that a slot "
                  "holds the WAL");
    }
    try {
      source->check(name, cluster);
      record_limits(repository, stanza.name, cluster, name,
                    limits_in(source->content(), name, stanza.data_directory / "pg_wal" / name));
      store_wal(repository, stanza, cluster, name, source->content_while_named(), codec);
    } catch (const RecycledError&) {
      // The server waits with that for the archiver, where there is one.
      if (!repository.has_wal(stanza.name, cluster, name)) throw;
    }
  }
}

}  // namespace pgcairn::engine
