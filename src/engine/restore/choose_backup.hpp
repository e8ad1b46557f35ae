#pragma once

#include "wal/branches.hpp"
#include "wal/trace.hpp"

#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <functional>
#include <span>
#include <string>

namespace pgcairn::engine {

struct Choice {
  const repo::BackupMarker* backup = nullptr;  // one of those given
  std::vector<TimelineSpan> path;              // that recovery takes
  std::string reason;
  std::vector<std::string> notes;
};

/// What choose_backup() asks of the world.
struct ChoiceSources {
  /// The branches of the cluster that a backup is of.
  std::function<const Branches&(const repo::BackupMarker&)> branches;
  /// Is the target (xid, name) in the WAL after this backup, on this path?
  std::function<Found(const repo::BackupMarker&, const std::vector<TimelineSpan>&)> search;
};

/// "2026-11-21T01:02:03Z (2026-11-21 02:02:03+01)": for people.
std::string both_zones(Timestamp when);

/// Which of `backups` (oldest first) a restore begins with, and by which timelines it goes on:
/// first the branch, the newest one unless another was named, then a backup on the way to it. Pure
/// but for its sources. Throws UnreachableTargetError when none can reach the target, naming the
/// nearest that can be reached, or the option that follows the branch that reaches it; MissingError
/// when there is none at all or none named options.set; Error when it is not known what leads to
/// the branch.
Choice choose_backup(std::span<const repo::BackupMarker> backups, const RestoreOptions& options,
                     const ChoiceSources& sources);

}  // namespace pgcairn::engine
