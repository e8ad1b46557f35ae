#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pgcairn::postgres {

/// A record of the write-ahead log, as far as recovery targets are concerned (access/xlogrecord.h,
/// access/xact.h, access/xlog_internal.h of PostgreSQL 13 to 18).
struct WalRecord {
  Lsn start;
  Lsn end;
  enum class Kind { other, commit, abort, restore_point } kind = Kind::other;
  std::uint32_t xid = 0;          // commit, abort; 0 when it was not made out
  bool prepared = false;          // commit, abort: of a prepared transaction
  std::optional<Timestamp> time;  // commit, abort, restore_point
  std::string name;               // restore_point
};

/// Reads the records of segments that follow each other. Checksums are not verified: what is torn
/// or stale ends the segment, as zeros do.
class WalRecordReader {
 public:
  explicit WalRecordReader(std::function<void(const WalRecord&)> visit)
      : visit_(std::move(visit)) {}

  /// The next segment, whose first byte is at `start`; one that does not follow the last begins
  /// anew. A record that began in an earlier segment which was not given is passed over.
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
