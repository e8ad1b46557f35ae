#pragma once

#include "wal/timelines.hpp"

#include <pgcairn/common/wal.hpp>
#include <pgcairn/engine/wal/reach.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace pgcairn::engine {

// How archived WAL is followed: for restore, verify, info, health, and all that ask how far it
// leads. Pure.

/// What a search found out about a record whose place no catalog knows.
enum class Found { yes, no, unknown };

/// What a trace asks of an archive, in one repository or in several together.
struct ArchivedNames {
  /// The repositories that hold a segment.
  std::function<std::vector<std::string>(const std::string& segment)> holders;
  /// The first segment that is there of those from `from` to before `limit`; empty: none.
  std::function<std::string(const std::string& from, const std::string& limit)> first;
  /// Is "....partial" there?
  std::function<bool(const std::string& partial)> has_partial;
  /// Has an archiver brought a file "SEGMENT.OFFSET.backup", as it does of each backup of a
  /// primary?
  std::function<bool(const std::string& segment)> has_backup_file{};
};

/// Segments of one timeline, from number `first` to before number `end`.
struct SegmentRange {
  Timeline timeline = 0;
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  Lsn over;  // where the path leaves the timeline; 0: it ends there
  bool operator==(const SegmentRange&) const = default;
};
inline constexpr std::uint64_t kNoEnd = UINT64_MAX;

/// Which segments recovery may ask for on `path` from number `first` on: what restores read, and so
/// what expire keeps, is decided here and nowhere else. In the order of the path; of each number
/// the last range that has it is asked first, then older ones: the newest timeline that has begun
/// by the segment's end, before those that are not over at its start (XLogFileReadAnyTLI,
/// xlogrecovery.c).
std::vector<SegmentRange> asked_for(const std::vector<TimelineSpan>& path, std::uint64_t first,
                                    std::uint64_t segment_bytes);

/// How far segments go along `path` from number `first` on, by what is asked_for(). Fills ranges,
/// last, end, missing; after_gap where later WAL on the path is there; partial where there is none,
/// and the rest of what is missing is.
WalReach trace_wal(const ArchivedNames& names, const std::vector<TimelineSpan>& path,
                   std::uint64_t first, std::uint64_t segment_bytes);

/// The name of the earliest segment on the path whose number is not below `number`; empty: none.
std::string next_on_path(const ArchivedNames& names, const std::vector<TimelineSpan>& path,
                         std::uint64_t number, std::uint64_t segment_bytes);

/// All WAL of one path, in pieces without a gap.
class WalPieces {
 public:
  WalPieces(const ArchivedNames& names, std::vector<TimelineSpan> path,
            std::uint64_t segment_bytes);

  struct Piece {
    std::uint64_t first = 0;  // number of its first segment
    WalReach reach;
  };
  const std::vector<Piece>& all() const { return pieces_; }
  /// The piece that segment `number` is in; null: it is not there.
  const WalReach* at(std::uint64_t number) const;

 private:
  std::uint64_t segment_bytes_;
  std::vector<Piece> pieces_;
};

/// The names of all segments of `reach`, in order.
std::vector<std::string> segments_of(const WalReach& reach, std::uint64_t segment_bytes);

/// The number in the name of a segment of that size.
std::uint64_t number_of(const std::string& segment, std::uint64_t segment_bytes);

}  // namespace pgcairn::engine
