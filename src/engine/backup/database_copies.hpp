#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/postgres/wal_records.hpp>

#include <map>
#include <set>
#include <vector>

namespace pgcairn::engine {

/// Replay of a backup's WAL would not make what the cluster had: the backup is of no use, and the
/// next one may be.
class UnreplayableBackup : public Error {
  using Error::Error;
};

/// CREATE DATABASE by copying files (before 15 always) and ALTER DATABASE SET TABLESPACE are in WAL
/// without the files: replay copies the source's directory once more, and where that is not there
/// it copies nothing, without an error (dbase_redo, dbcommands.c). A backup may have come to the
/// source when it had been dropped, or was being dropped.
///
/// This follows the WAL from a backup's start, and tells the directories that may come back without
/// their files.
class DatabaseCopies {
 public:
  /// What is dropped at or after `read_until` was read by then.
  explicit DatabaseCopies(Lsn read_until) : read_until_(read_until) {}

  /// In order.
  void look_at(const postgres::WalRecord& record);
  /// Those that are there at the end.
  std::vector<postgres::DatabaseDirectory> lost() const;

 private:
  void drop(const postgres::DatabaseDirectory& directory, Lsn at);

  Lsn read_until_;
  // Of each directory that was made by copying, the one in the backup that its files come from.
  std::map<postgres::DatabaseDirectory, postgres::DatabaseDirectory> sources_;
  std::set<postgres::DatabaseDirectory> lost_;
};

}  // namespace pgcairn::engine
