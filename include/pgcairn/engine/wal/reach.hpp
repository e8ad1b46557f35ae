#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

/// A part of the way through the WAL: [begin, end) on one timeline.
struct TimelineSpan {
  Timeline timeline = 0;
  Lsn begin;
  Lsn end;  // 0: open
};
/// Segments that follow each other and are in the same repositories.
struct WalRange {
  std::string first;
  std::string last;
  std::uint64_t segments = 0;
  std::vector<std::string> repositories;  // names
};
/// How far the archived WAL reaches on the way that recovery takes.
struct WalReach {
  std::vector<WalRange> ranges;  // from the backup's first segment on, without a gap
  std::string last;              // the last of them
  Lsn end;                       // the byte after it, or where the next timeline should begin
  std::string missing;           // the first segment that is not there
  std::string after_gap;         // a later one that is there, if any: then `missing` is a gap
  std::string partial;           // "....partial" that holds what is left of `missing`
  Lsn last_record;               // where the last whole record begins; 0: not looked at
  std::optional<Timestamp> last_commit;  // time of the last transaction; none: not found
  bool end_is_known = false;             // what of the last two was not found is not there
};

/// What it means that WAL is missing while later WAL is there.
enum class Gap {
  none,        // nothing is missing, or nothing is there after it
  unpromised,  // the archive was not to have it
  doubtful,    // it was not to have it, or has lost it
  lost,        // it was to have it
};
std::string_view name_of(Gap gap);

}  // namespace pgcairn::engine
