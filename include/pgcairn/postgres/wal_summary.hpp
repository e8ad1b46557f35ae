#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/postgres/timeline.hpp>

#include <compare>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::postgres {

/// A relation's files by what their paths say (RelFileLocator): tablespace (1663 pg_default, 1664
/// pg_global), database (0 for shared relations), file number.
struct RelationKey {
  std::uint32_t space = 0;
  std::uint32_t database = 0;
  std::uint32_t relfilenode = 0;
  auto operator<=>(const RelationKey&) const = default;
};

inline constexpr std::uint32_t kNoLimit = std::numeric_limits<std::uint32_t>::max();
inline constexpr std::uint32_t kSummaryChunkBlocks = 65536;
/// Of a bitmap; the most that a chunk takes.
inline constexpr std::size_t kSummaryBitmapBytes = kSummaryChunkBlocks / 8;

/// Modified blocks among the 65 536 from chunk `number` * 65 536 on: a bit for each (least first),
/// or the 16-bit offset of each modified one, in no order.
struct SummaryChunk {
  std::uint32_t number = 0;
  bool is_bitmap = false;
  Bytes data;
};

/// What a WAL summary says of one fork of a relation.
struct SummaryEntry {
  RelationKey relation;    // relfilenode 0: the database was created or dropped
  std::uint32_t fork = 0;  // 0 main, 1 free space map, 2 visibility map, 3 init
  // The least length in blocks that the fork had meanwhile; 0: created, dropped or rewritten. Marks
  // at or above it are not complete.
  std::uint32_t limit = kNoLimit;
  std::span<const SummaryChunk> chunks;  // not empty ones, ascending; valid during the visit
};

/// Visits the entries of a summary file (common/blkreftable.c, PostgreSQL 17 to 19). Throws
/// DamagedError naming `object` when the file is not a summary; its checksum is verified before the
/// first visit.
void parse_wal_summary(Bytes bytes, const std::string& object,
                       const std::function<void(const SummaryEntry&)>& visit);

/// A summary covers a range of WAL, and its name is that range: "TTTTTTTT" + begin + end (each high
/// and low word, upper-case hex) + ".summary" (backup/walsummary.c). Nothing for any other name.
std::optional<TimelineRange> parse_wal_summary_name(std::string_view name);
std::string wal_summary_name(const TimelineRange& range);

/// Of the summaries, those that hold WAL of the ranges; or the first WAL that none of them holds.
struct SummaryCover {
  std::vector<TimelineRange> summaries;
  std::optional<TimelineRange> missing;
};
SummaryCover cover_with_summaries(std::span<const TimelineRange> summaries,
                                  std::span<const TimelineRange> ranges);

}  // namespace pgcairn::postgres
