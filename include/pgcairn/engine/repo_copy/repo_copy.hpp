#pragma once

#include <pgcairn/engine/progress.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/repository.hpp>

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

struct CopyOptions {
  std::string set;  // label; empty: the newest backup that is not known to be damaged
  bool dry_run = false;
  unsigned workers = 2;
};

struct CopyCount {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
};

/// Of one kind of objects: what was missing and was copied, or would be, and what was there.
struct CopyPart {
  CopyCount copied;
  CopyCount there;
};

struct CopyResult {
  repo::BackupMarker backup;
  bool was_listed = false;  // at the target, before
  CopyPart packs;
  CopyPart manifest;
  CopyPart wal;
  std::uint64_t records = 0;       // holds and annotations
  std::vector<std::string> notes;  // sentences
};

/// Copies a backup from one repository to another, with all that it needs: the packs that it names,
/// whichever backup stored them; its manifest; the WAL that a retention which keeps it would keep
/// with it (so that recovery can go on from it as far as the archive goes), histories of timelines;
/// its holds and annotations; and last its marker. Every frame is checked on its way. What is there
/// already is skipped, so that a copy that was interrupted goes on. Until it is done nothing is
/// listed.
///
/// Holds the target's lease. The source is only read: what an expire removes there meanwhile ends
/// the copy with an error, and never leaves a gap behind a marker.
///
/// Throws MissingError when there is no such backup, or no repository; PostgresError when the
/// target's stanza belongs to another cluster; ConflictError when other content stands under a key;
/// DamagedError when something that the backup needs is damaged or missing at the source.
CopyResult copy_backup(const std::string& stanza, repo::Repository& from, repo::Repository& to,
                       const CopyOptions& options, Progress& progress, std::stop_token stop);

}  // namespace pgcairn::engine
