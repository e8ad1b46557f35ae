#pragma once

#include "wal/timelines.hpp"
#include "wal/trace.hpp"

#include <pgcairn/engine/wal/reach.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// What is known of the backups whose WAL lies about a gap.
struct KnownBackups {
  /// Of these, those of one cluster whose segments have that size.
  KnownBackups(std::span<const repo::BackupMarker> backups, const std::string& cluster_id,
               std::uint64_t segment_bytes, bool may_be_more = false);
  std::vector<const repo::BackupMarker*> all;
  std::uint64_t segment_bytes;
  bool may_be_more;  // some markers could not be read
};

/// Whether the archive was to have what is missing before reach.after_gap. For restore, verify,
/// info and health. Pure.
///
/// What comes after a gap is either archived WAL, or a backup's that stored it itself (backup
/// --wal=copy) and that no archiver brought a file of: the one that PostgreSQL hands to it at the
/// end of each backup of a primary, "....backup". Before archived WAL, what is missing is lost,
/// unless expire left nothing between two backups (retention-archive), or between a branch that was
/// left and a backup; it would leave nothing that leads up to them, either. Before a backup's own,
/// the archive was switched off; but where archived WAL goes on right behind that backup, it may as
/// well be lost.
Gap judge_gap(const ArchivedNames& names, const Timelines& timelines,
              const std::vector<TimelineSpan>& path, const WalReach& reach,
              const KnownBackups& backups);

/// A gap that is not lost, as a sentence; empty for others.
std::string gap_words(Gap gap, const std::string& missing, const std::string& after_gap);

}  // namespace pgcairn::engine
