#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/repository.hpp>

#include <optional>
#include <string>

namespace pgcairn::engine {

/// "7"; from ten on also as names of WAL files have it, in hexadecimal: "18 (0x12)".
std::string timeline_text(Timeline timeline);

/// A life of the cluster that nothing in the archive goes on from: the timeline that it ends on.
struct Branch {
  std::string cluster;  // id
  Timeline timeline = 0;
  bool newest = false;        // of its cluster: what a restore follows by default
  bool history_known = true;  // else it is not known where it left which
  Timeline parent = 0;        // that it left; 0: none, or not known
  Lsn left_at;                // where
  std::string last;           // its newest segment, or partial one; empty: none is archived
  bool has_way = true;        // a backup is on the way to it
  bool way_is_known = true;   // else not all backups were looked at
  std::optional<Timestamp> last_commit;  // time of its last transaction; none: not found out
};

/// Why a backup is on a branch that was left, in words: a newer timeline has WAL in this
/// repository's archive, and recovery cannot get there from the backup, or that is not known.
/// Nothing: it is on the way to the newest one. Throws what keeps the archive from being looked at.
std::optional<std::string> why_left(repo::Repository& repository, const std::string& stanza,
                                    const repo::BackupMarker& backup);

}  // namespace pgcairn::engine
