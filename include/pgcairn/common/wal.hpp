#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgcairn {

/// A position in the write-ahead log, in bytes from its start.
struct Lsn {
  std::uint64_t value = 0;
  auto operator<=>(const Lsn&) const = default;
};
/// "0/3000028", as PostgreSQL prints it.
std::string to_string(Lsn lsn);
std::optional<Lsn> parse_lsn(std::string_view text);

using Timeline = std::uint32_t;
using SystemId = std::uint64_t;

inline constexpr std::uint64_t kDefaultWalSegmentBytes = 16 * 1024 * 1024;

/// A segment of the log: number `n` holds the bytes [n * segment size, (n + 1) * segment size).
struct WalSegment {
  Timeline timeline = 0;
  std::uint64_t number = 0;
  auto operator<=>(const WalSegment&) const = default;
};
/// The 24 hex digits of a segment's file name (XLogFileName of PostgreSQL's xlog_internal.h).
std::string wal_segment_name(WalSegment segment, std::uint64_t segment_bytes);
std::optional<WalSegment> parse_wal_segment_name(std::string_view name,
                                                 std::uint64_t segment_bytes);
/// The segment that holds the byte at `lsn`.
WalSegment segment_of(Lsn lsn, Timeline timeline, std::uint64_t segment_bytes);
/// The segment that holds the last byte before `lsn` (XLByteToPrevSeg): where a backup that stops
/// at `lsn` ends.
WalSegment segment_before(Lsn lsn, Timeline timeline, std::uint64_t segment_bytes);

/// What the archiver may hand over or recovery may ask for (postgres-rules: names of pg_wal).
enum class WalFileKind { segment, partial, backup_history, timeline_history };
/// The kind that a bare file name (no directory) has; nothing when it is none of PostgreSQL's.
std::optional<WalFileKind> wal_file_kind(std::string_view name);

}  // namespace pgcairn
