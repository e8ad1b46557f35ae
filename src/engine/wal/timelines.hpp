#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/engine/wal/reach.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <map>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The branches of one cluster's history, as the archived history files tell it. Pure.
class Timelines {
 public:
  /// Takes the content of "0000000N.history". Throws DamagedError naming `object`.
  void add(Timeline timeline, Bytes history, const std::string& object);

  /// Timelines with a history, ascending.
  std::vector<Timeline> known() const;
  /// The way from `from` to `to`; empty when `to` does not descend from it, or has no history.
  std::vector<TimelineSpan> path(Timeline from, Timeline to) const;
  /// The way to `to` from the oldest timeline that its history names.
  std::vector<TimelineSpan> whole_path(Timeline to) const;
  /// Timelines that can be reached from a backup that becomes consistent at `stop` on `from`,
  /// ascending; `from` is the first of them.
  std::vector<Timeline> descendants(Timeline from, Lsn stop) const;
  /// Why `to` cannot be reached from there, as a sentence: "timeline 3 left timeline 1 at
  /// 0/5000060, before ...".
  std::string unreachable_reason(Timeline from, Lsn stop, Timeline to) const;
  /// A timeline that left `timeline` at `at` or later, so that the log of `timeline` went on to
  /// there; 0: none is known.
  Timeline left_after(Timeline timeline, Lsn at) const;
  /// Did a known timeline leave `timeline` after `begin`, and not after `end`?
  bool was_left_between(Timeline timeline, Lsn begin, Lsn end) const;
  /// What a server looks for whose target timeline is "latest": the number after `from` are tried
  /// one by one (findNewestTimeLine, timeline.c), whether they descend from it or not.
  Timeline latest_of_server(Timeline from) const;

 private:
  std::map<Timeline, std::vector<TimelineSpan>> histories_;  // ancestors, oldest first
};

}  // namespace pgcairn::engine
