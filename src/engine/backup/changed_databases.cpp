#include "backup/changed_databases.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

std::vector<postgres::Database> changed_databases(const std::vector<postgres::Database>& then,
                                                  const std::vector<postgres::Database>& now) {
  std::vector<postgres::Database> changed;
  for (const postgres::Database& one : now) {
    const bool same = std::any_of(then.begin(), then.end(), [&](const auto& was) {
      return was.oid == one.oid && was.space == one.space && was.row == one.row;
    });
    if (!same) changed.push_back(one);
  }
  return changed;
}

void require_databases(repo::Repository& repository, const std::string& stanza,
                       const repo::BackupMarker& backup, Lsn read_until,
                       const std::vector<postgres::Database>& changed,
                       const std::stop_token& stop) {
  const repo::Cluster cluster{backup.system_id, backup.pg_version};
  const auto first = *parse_wal_segment_name(backup.wal_start, backup.wal_segment_bytes);
  const auto last = *parse_wal_segment_name(backup.wal_stop, backup.wal_segment_bytes);
  DatabaseCopies copies(read_until);
  postgres::WalRecordReader reader([&](const postgres::WalRecord& record) {
    // What ended before the start is in the files; what begins after the end is replayed on them.
    if (record.start >= backup.start_lsn && record.start < backup.stop_lsn) copies.look_at(record);
  });
  for (WalSegment segment = first; segment.number <= last.number; ++segment.number) {
    check_stop(stop);
    const std::string name = wal_segment_name(segment, backup.wal_segment_bytes);
    Lsn at{segment.number * backup.wal_segment_bytes};
    const auto read = [&](Bytes piece) {
      reader.read(piece, at);
      at.value += piece.size();
    };
    if (!repository.get_wal(stanza, cluster, name, read)) {
      throw MissingError(
          format("WAL segment {} is gone from repository \"{}\"", name, repository.name()));
    }
  }
  for (const postgres::DatabaseDirectory& lost : copies.lost()) {
    const auto named = std::find_if(changed.begin(), changed.end(),
                                    [&](const auto& one) { return one.oid == lost.database; });
    throw UnreplayableBackup(
        format(
            "cannot use the backup: database {} was created or moved by copying files while the "
            "backup read them, and its source is gone: a restore could lack its files",
            named == changed.end() ? std::to_string(lost.database) : format("\"{}\"", named->name)),
        "run the backup again; while one runs, create databases with STRATEGY=wal_log (from 15 "
        "on), and drop or move none that another was copied from");
  }
}

}  // namespace pgcairn::engine
