#pragma once

#include "wal/timelines.hpp"
#include "wal/trace.hpp"

#include <pgcairn/common/wal.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

/// What a kept backup needs of its cluster's WAL, in numbers of segments.
struct WalClaim {
  std::string label;
  Timeline timeline = 0;
  std::uint64_t first = 0;  // from it to `last` it becomes consistent
  std::uint64_t last = 0;
  Lsn stop;
  bool continuous = true;          // recovery may go on from it to any later place
  std::vector<Timeline> way_to{};  // ends of branches that recovery must get to from it
};

/// Which archived files of a cluster stay. Pure. Of each path that recovery may take from a backup
/// it keeps what is asked_for() on it: for a backup that recovery may go on from, on the paths to
/// all timelines that leave after its end, and to those without a readable history; for one that
/// is kept as the way to a branch, on the path to its end; for others, what makes them consistent.
class WalNeeds {
 public:
  /// All WAL of the timelines in `whole` stays.
  WalNeeds(std::vector<WalClaim> claims, Timelines timelines, std::uint64_t segment_bytes,
           std::set<Timeline> whole = {});

  /// Why a file stays; empty when nothing needs it. `.partial` and `.backup` files go with their
  /// segments. Histories stay: they are small, and a server that chooses the number of a new
  /// timeline looks for them.
  const std::string& keep_reason(std::string_view file);

 private:
  struct Stretch {
    std::uint64_t end = 0;
    std::string reason;
  };
  using Stretches = std::map<std::uint64_t, Stretch>;  // by first number; none overlap

  void add(const std::vector<TimelineSpan>& path, std::uint64_t first, std::uint64_t end,
           const std::string& reason);
  void add_all_ways(const WalClaim& claim);
  const Stretches& stretches_of(Timeline timeline);

  std::vector<WalClaim> claims_;
  Timelines timelines_;
  std::uint64_t segment_bytes_;
  std::set<Timeline> whole_;
  std::vector<WalClaim> goes_on_from_;  // of the claims those from which recovery may go anywhere
  std::map<Timeline, Stretches> stretches_;
  std::set<Timeline> looked_at_;  // for a history
};

}  // namespace pgcairn::engine
