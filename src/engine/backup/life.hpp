#pragma once

#include "wal/mark.hpp"

#include <pgcairn/postgres/connection.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <filesystem>
#include <string>

namespace pgcairn::engine {

// Is an older backup of the life that a data directory lives now? Its system identifier, its
// timeline and its LSNs do not tell: a volume that was rolled back, a restore with --type=none and
// twins that were cloned from one state have all of them in common, and other pages.

/// What was found out.
struct PriorLife {
  enum class Verdict { proved, unknown, refuted } verdict = Verdict::unknown;
  std::string words;  // how it was proved, or why not
};

/// Proves, in this order:
///
/// 1. By WAL. The server still has the segment that holds the backup's end, and its bytes up to
///    there are those that the backup saw. Two lives that parted earlier can agree in them only by
///    writing the same: so a transaction's end or a restore point must be among them, whose time
///    has microseconds. Other bytes there refute.
/// 2. By the witness. When a backup has ended it leaves its label and a random number in the data
///    directory. A rollback of the directory to before that takes the witness away, and
///    a copy of it with the witness is of a directory that has the backup's end in its past,
///    or must replay to it.
///
/// Archived WAL is not a proof: records are linked by their places, not by their content, so that
/// nothing tells whether one segment and the next are of the same life.
PriorLife life_of(const std::filesystem::path& data_directory, const repo::BackupMarker& prior);

/// Writes a restore point with the backup's name into the WAL in which the backup ends: no other
/// life has it, and every server that replays it can prove that by its WAL. Where the role may not,
/// that is logged.
void leave_restore_point(postgres::Connection& connection, const std::string& label);

/// Leaves the witness of the backup, which has just ended; returns its number, empty when it cannot
/// be written: then the next backup has to prove it otherwise.
std::string leave_witness(const std::filesystem::path& data_directory, const std::string& label);

}  // namespace pgcairn::engine
