#pragma once

#include <pgcairn/engine/restore/recovery_target.hpp>
#include <pgcairn/postgres/wal_records.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <optional>
#include <set>
#include <vector>

namespace pgcairn::engine {

/// Follows the WAL that recovery replays, in order, up to where recovery ends for the target, as
/// the server decides it record by record (recoveryStopsBefore, recoveryStopsAfter,
/// xlogrecovery.c).
class WalWay {
 public:
  /// Records that begin at or after `wal_end` are not on the way.
  WalWay(RecoveryTarget target, const repo::BackupMarker& backup, Lsn wal_end);
  WalWay(const WalWay&) = delete;
  WalWay& operator=(const WalWay&) = delete;

  void read(Bytes segment, Lsn start) { reader_.read(segment, start); }
  /// Nothing that follows is replayed.
  bool is_over() const { return over_; }

  /// Tablespaces outside of the data directory that replay creates.
  const std::vector<postgres::CreatedTablespace>& created() const { return created_; }
  /// Records from here on are not replayed; nothing: all that there is.
  std::optional<Lsn> end() const { return end_; }
  /// Where the last record that is replayed begins.
  Lsn last_record() const { return last_record_; }
  /// Where the record begins that the first of created() follows; 0 when none was seen before it.
  Lsn before_created() const { return before_created_; }
  /// Does recovery stop just before a record that creates a tablespace outside?
  bool stops_before_created() const { return stops_before_created_; }
  /// The highest limits that servers on the way started with; none: nobody noted any.
  const std::optional<ServerLimits>& limits() const { return limits_; }
  /// Where the first record is that recovery does not get over: wal_level was minimal from there
  /// on.
  const std::optional<Lsn>& minimal() const { return minimal_; }
  /// Relations that get an init fork on the way.
  const std::set<postgres::RelationName>& unlogged() const { return unlogged_; }
  /// Are the transactions over that may still have been making relations' files when the backup
  /// ended?
  bool is_settled() const { return settled_; }

 private:
  void look_at(const postgres::WalRecord& record);
  void note(const postgres::WalRecord& record);
  bool stops_before(const postgres::WalRecord& record) const;
  bool stops_after(const postgres::WalRecord& record) const;
  void stop(Lsn at);

  RecoveryTarget target_;
  const repo::BackupMarker& backup_;
  Lsn wal_end_;
  postgres::WalRecordReader reader_;
  std::vector<postgres::CreatedTablespace> created_;
  std::optional<Lsn> end_;
  Lsn last_record_;
  Lsn before_created_;
  bool stops_before_created_ = false;
  std::optional<ServerLimits> limits_;
  std::optional<Lsn> minimal_;
  std::set<postgres::RelationName> unlogged_;
  bool settled_;
  bool over_ = false;
};

}  // namespace pgcairn::engine
