#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/wal.hpp>

#include <array>
#include <cstdint>

namespace pgcairn::postgres {

/// Where the WAL of a segment's file ends. Behind that is what an earlier use of the file left,
/// which differs from server to server, or zeros.
struct WalEnd {
  /// After the last record that recovery could read: its pages, its link to the record before and
  /// its checksum are right (xlogreader.c). The segment's end when a record runs over it. The
  /// segment's start when no record begins in it.
  Lsn records;
  /// A later page was written for this segment, too: its records could not be parsed, or are
  /// damaged. Then `records` is not the end of what the file holds.
  bool goes_on = false;

  bool operator==(const WalEnd&) const = default;
};

/// Finds it, reading the segment once, in pieces of any size.
class WalEndFinder {
 public:
  /// `start`: of the segment.
  explicit WalEndFinder(Lsn start) : at_(start), whole_(start), end_{start, false} {}

  void add(Bytes piece);
  /// When all of the segment was added.
  WalEnd finish();
  /// The end of the last record that ended in the segment: it was there as a whole, whatever is
  /// being written behind it. The segment's start: none did.
  Lsn whole_records() const { return whole_; }

 private:
  static constexpr std::size_t kPageBytes = 8192;
  static constexpr std::size_t kRecordBytes = 24;  // XLogRecord

  void read_page();
  bool continue_record(std::uint16_t info, std::uint32_t left_over);
  void read_records(Bytes page, std::size_t at);
  bool begin_record(Bytes rest, Lsn start);
  void take(Bytes piece);
  bool is_sound() const;
  void end_record(Lsn end);
  void end_at_record(Lsn page);

  std::array<std::byte, kPageBytes> page_{};
  std::size_t filled_ = 0;
  Lsn at_;  // of the page that is filled
  Lsn whole_;
  WalEnd end_;
  std::uint16_t magic_ = 0;
  bool first_page_ = true;
  bool ended_ = false;

  bool known_ = false;           // the record in hand began in this segment
  std::uint64_t remaining_ = 0;  // of it, bytes that are to come; 0: there is none
  Lsn record_start_;
  Lsn record_before_;  // the last sound one that began in this segment
  std::array<std::byte, kRecordBytes> header_{};
  std::size_t header_bytes_ = 0;
  std::uint32_t crc_ = 0;  // of what follows the header
};

}  // namespace pgcairn::postgres
