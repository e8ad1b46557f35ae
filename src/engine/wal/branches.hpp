#pragma once

#include "wal/timelines.hpp"

#include <pgcairn/engine/wal/branch.hpp>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

/// What is archived of a timeline itself, by the names of files.
struct TimelineWal {
  std::string first;  // segments; empty: none
  std::string last;
  std::string partial;  // the last "....partial"; empty: none
};
/// Notes an archived file, in any order; what is not WAL, histories among it, changes nothing.
void note_archived(std::map<Timeline, TimelineWal>& wal, std::string_view file);

/// All that the branches of a cluster follow from.
struct BranchSources {
  struct Backup {
    Timeline timeline = 0;
    Lsn stop;
  };
  Timelines timelines;
  std::set<Timeline> unread;  // with a history that is there and cannot be read
  std::map<Timeline, TimelineWal> wal;
  std::vector<Backup> backups;
  std::uint64_t segment_bytes = kDefaultWalSegmentBytes;
};

/// Can recovery get from a backup to a timeline?
enum class Leads { yes, no, unknown };

/// The branches of a cluster: which lives end where in the archive, which backup leads to which,
/// and which one a restore follows by default. Pure.
///
/// A timeline is one that has WAL or a backup of its own: a history alone is none, no matter who
/// archived it. A branch ends with a timeline that no other one goes on from, or that has more than
/// what the others took of it. The newest timeline is what PostgreSQL's "latest" means, asked of
/// the whole archive; times decide nothing, since a clock or a forgotten server would.
class Branches {
 public:
  explicit Branches(BranchSources sources);

  /// Timelines that branches end with, the newest first.
  const std::vector<Timeline>& tips() const { return tips_; }
  /// What is followed by default; nothing when the archive has neither WAL nor backups.
  std::optional<Timeline> newest() const;
  /// Timelines with WAL or a backup, ascending.
  const std::set<Timeline>& existing() const { return existing_; }
  /// Timelines with nothing but a history, ascending.
  std::vector<Timeline> only_histories() const;

  Leads leads(Timeline from, Lsn stop, Timeline to) const;
  /// Why leads() is not yes, as a sentence.
  std::string unreachable_reason(Timeline from, Lsn stop, Timeline to) const;
  /// What is known of a tip by names: all but its cluster and its last commit.
  Branch describe(Timeline tip) const;

  const Timelines& timelines() const { return sources_.timelines; }
  const std::map<Timeline, TimelineWal>& wal() const { return sources_.wal; }
  std::uint64_t segment_bytes() const { return sources_.segment_bytes; }

 private:
  bool has_history(Timeline timeline) const;
  bool goes_beyond(Timeline timeline, Lsn end) const;
  bool ends_a_branch(Timeline timeline) const;

  BranchSources sources_;
  std::set<Timeline> existing_;
  std::set<Timeline> histories_;
  std::vector<Timeline> tips_;
};

/// Where a timeline left which other one, as its history tells: "it left timeline 1 at 0/5000060";
/// empty when that is not known, or it left none.
std::string left_words(const Branch& branch);

}  // namespace pgcairn::engine
