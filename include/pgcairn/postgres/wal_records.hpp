#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/server_limits.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pgcairn::postgres {

/// The directory of a database in a tablespace.
struct DatabaseDirectory {
  std::uint32_t database = 0;  // oid
  std::uint32_t space = 0;     // oid of the tablespace
  auto operator<=>(const DatabaseDirectory&) const = default;
};

/// What the files of a relation are named by.
struct RelationName {
  std::uint32_t space = 0;
  std::uint32_t database = 0;
  std::uint32_t relfilenode = 0;
  auto operator<=>(const RelationName&) const = default;
};

/// A record of the write-ahead log, as far as it decides where recovery ends, what it needs, and
/// where it leads (access/xlogrecord.h, access/xact.h, access/xlog_internal.h,
/// catalog/pg_control.h, catalog/storage_xlog.h, commands/dbcommands_xlog.h, commands/tablespace.h,
/// storage/standbydefs.h of PostgreSQL 13 to 19).
struct WalRecord {
  Lsn start;
  Lsn end;
  enum class Kind {
    other,
    commit,
    abort,
    restore_point,
    tablespace_create,
    tablespace_drop,
    init_fork,      // an unlogged relation gets the fork that recovery makes its others from
    database_copy,  // by copying a directory's files
    database_drop,  // of one directory or several
    limits,         // the server started with others than before
    running         // a snapshot of the transactions that run
  } kind = Kind::other;
  std::uint32_t xid = 0;            // commit, abort; 0 when it was not made out
  bool prepared = false;            // commit, abort: of a prepared transaction
  std::optional<Timestamp> time;    // commit, abort, restore_point
  std::string name;                 // restore_point
  std::uint32_t oid = 0;            // tablespace_create, tablespace_drop
  std::string location;             // tablespace_create; empty in the data directory itself
  RelationName relation{};          // init_fork
  DatabaseDirectory copied_from{};  // database_copy
  std::vector<DatabaseDirectory> databases;  // database_copy: the new one; database_drop
  ServerLimits limits{};                     // limits
  std::uint32_t oldest_running = 0;          // running: all older transactions are over
};

/// Is transaction `one` older than `other`? Numbers wrap (TransactionIdPrecedes, transam.c).
bool is_older_transaction(std::uint32_t one, std::uint32_t other);

/// A tablespace whose record leads out of the data directory: replayed, it makes the link and
/// writes into `location`, wherever the cluster that replays it stands.
struct CreatedTablespace {
  std::uint32_t oid = 0;
  std::string location;
  Lsn start;      // of the record
  Lsn dropped{};  // where the record begins that drops it later; 0: none was seen

  friend bool operator==(const CreatedTablespace&, const CreatedTablespace&) = default;
};
/// What `record` creates outside of the data directory; nothing for a tablespace that is in place.
std::optional<CreatedTablespace> created_tablespace(const WalRecord& record);

/// The bytes that a page of WAL has. A record that creates a tablespace is shorter, so that of one
/// that goes on in a segment the last page of the segment before holds the beginning.
constexpr std::size_t kWalPageBytes = 8192;  // XLOG_BLCKSZ of every packaged PostgreSQL
/// Does a segment, of which `page` is the first page, begin with the rest of a record that may
/// create a tablespace?
bool may_continue_tablespace(Bytes page);
/// The same of a note of the server's limits (Kind::limits).
bool may_continue_limits(Bytes page);
/// May WAL, from the beginning of a page on, hold the beginning of such a note? Much faster than
/// reading its records, and never no where there is one.
bool may_note_limits(Bytes pages);

/// Reads the records of segments that follow each other. Checksums are not verified: what is torn
/// or stale ends the segment, as zeros do.
class WalRecordReader {
 public:
  explicit WalRecordReader(std::function<void(const WalRecord&)> visit)
      : visit_(std::move(visit)) {}

  /// The next segment, whose first byte is at `start`; one that does not follow the last begins
  /// again. A record that began in an earlier segment which was not given is skipped. Any whole
  /// pages will do, such as the last one of a segment before the next.
  void read(Bytes segment, Lsn start);

 private:
  void read_page(Bytes page, Lsn address);
  void keep(Bytes piece);
  bool begin_record(Bytes rest, Lsn at);
  void finish_record(Lsn end);

  std::function<void(const WalRecord&)> visit_;
  Lsn next_;                     // where the next segment begins
  bool ended_ = false;           // nothing more in this segment
  bool known_ = false;           // the record in hand was seen from its start
  std::uint64_t remaining_ = 0;  // bytes of it that are to come
  std::uint16_t magic_ = 0;      // of the page: it changes with the format of records
  Lsn record_start_;
  std::vector<std::byte> head_;  // its first bytes
};

}  // namespace pgcairn::postgres
