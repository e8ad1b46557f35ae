#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/wal.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgcairn::postgres {

/// How much of a segment its header takes.
inline constexpr std::size_t kWalHeaderBytes = 40;

/// The long header at the start of every segment (xlog_internal.h XLogLongPageHeaderData).
struct WalHeader {
  int major = 0;  // by xlp_magic
  Timeline timeline = 0;
  Lsn page_address;
  SystemId system_id = 0;
  std::uint64_t segment_bytes = 0;
};
/// Throws DamagedError naming `object` for what is not a segment of PostgreSQL 13 to 19.
WalHeader parse_wal_header(Bytes bytes, const std::string& object);

/// Throws Error naming the file and both values when a segment (or .partial) that begins with
/// `start` (kWalHeaderBytes, fewer when it is shorter) is not this cluster's:
/// major version, system identifier, segment size, length, and address must agree with `name`. A
/// timeline in the header may be an ancestor of the name's (the segment a promotion copied).
void check_wal_segment(Bytes start, std::uint64_t size_bytes, std::string_view name,
                       SystemId system_id, int major);

/// Throws Error when the text is not a timeline history (lines of timeline, LSN, reason; timelines
/// increasing, below the file's own).
void check_timeline_history(Bytes bytes, std::string_view name);

}  // namespace pgcairn::postgres
