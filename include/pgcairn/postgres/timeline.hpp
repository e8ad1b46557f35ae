#pragma once

#include <pgcairn/common/wal.hpp>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::postgres {

/// No position of the log lies at or after it.
inline constexpr Lsn kEndOfLog{std::numeric_limits<std::uint64_t>::max()};

/// A line of a history file: the timeline was left at `switch_lsn` for the next entry's.
struct TimelineEntry {
  Timeline timeline = 0;
  Lsn switch_lsn = kEndOfLog;
  std::string reason;  // in the server's words: "no recovery target specified"
};

/// How a timeline came to be: its ancestors, oldest first, and last the timeline itself, which
/// nothing has left yet (switch_lsn is kEndOfLog).
struct TimelineHistory {
  std::vector<TimelineEntry> entries;  // never empty
  Timeline timeline() const { return entries.back().timeline; }
};

/// "00000002.history" of timeline 2.
std::string history_file_name(Timeline timeline);

/// Parses the text of <timeline>.history (readTimeLineHistory, timeline.c). Throws DamagedError
/// naming `object` when it is none: lines of timeline, LSN and reason, timelines increasing and
/// below `timeline`. Switch points need not increase: see timeline_stretches().
TimelineHistory parse_timeline_history(std::string_view text, Timeline timeline,
                                       const std::string& object);

/// The history of `timeline` from pg_wal of the data directory. Timeline 1 has no file and no
/// ancestors. Throws Error with a hint when the file is not there.
TimelineHistory read_timeline_history(const std::filesystem::path& data_directory,
                                      Timeline timeline);

struct WalPosition {
  Timeline timeline = 0;
  Lsn lsn;
  bool operator==(const WalPosition&) const = default;
};

/// WAL of one timeline: the bytes [begin, end).
struct TimelineRange {
  Timeline timeline = 0;
  Lsn begin;
  Lsn end;
  bool operator==(const TimelineRange&) const = default;
};

/// The WAL that leads to the history's timeline, oldest first: a stretch of each timeline, without
/// overlaps or gaps from position 0 on. A stretch may be empty: a server that recovers along
/// timeline 2 and stops before 2 began becomes a child of 2 that has nothing of it (StartupXLOG
/// names the recovery target's timeline as the parent), and the history then tells a later switch
/// first.
std::vector<TimelineRange> timeline_stretches(const TimelineHistory& history);

/// Was this position passed on the way to the history's timeline? The end of a stretch counts as
/// part of it: all before it is common.
bool is_on_path(const TimelineHistory& history, WalPosition position);

/// The WAL between two positions, oldest first, empty ranges left out; or why there is none, in
/// words that continue "because": either position not on the path, or `to` before `from`.
struct WalBetween {
  std::vector<TimelineRange> ranges;
  std::string refusal;  // empty: the ranges are good
};
WalBetween wal_between(const TimelineHistory& history, WalPosition from, WalPosition to);

}  // namespace pgcairn::postgres
