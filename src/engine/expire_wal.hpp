#pragma once

#include "timelines.hpp"

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

/// Which archived files of a cluster stay. Pure. A backup that recovery may go on from needs every
/// segment from its first on, of its own timeline and of all that leave it after the backup's end;
/// of a timeline without a readable history it is assumed that it does. One that is kept as the way
/// to a branch needs what leads there.
class WalNeeds {
 public:
  /// All WAL of the timelines in `whole` stays.
  WalNeeds(std::vector<WalClaim> claims, Timelines timelines, std::uint64_t segment_bytes,
           std::set<Timeline> whole = {});

  /// Why a file stays; empty when nothing needs it. `.partial` and `.backup` files go with their
  /// segments. Histories stay: they are small, and a server that chooses the number of a new
  /// timeline looks for them.
  const std::string& why_kept(std::string_view file);

 private:
  struct From {  // of a timeline
    std::uint64_t number = UINT64_MAX;
    std::string reason;
  };
  struct Stretch {
    std::uint64_t last = 0;
    std::string reason;
  };
  const From& from_of(Timeline timeline);
  void add_stretch(Timeline timeline, std::uint64_t first, Stretch stretch);
  void add_way(const WalClaim& claim, Timeline end);

  std::vector<WalClaim> claims_;
  Timelines timelines_;
  std::uint64_t segment_bytes_;
  std::set<Timeline> whole_;
  std::map<Timeline, From> from_;                                   // as far as it was asked for
  std::map<Timeline, std::map<std::uint64_t, Stretch>> stretches_;  // by first number
};

}  // namespace pgcairn::engine
