#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/engine/progress.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/repository.hpp>
#include <pgcairn/repo/retention.hpp>

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

struct ExpireOptions {
  repo::RetentionPolicy policy;
  std::string set;       // label of the one backup to remove; empty: those that no rule keeps
  bool dry_run = false;  // plans, and touches nothing: not even a lease is taken
  /// What interrupted backups left, and the next one may go on from, stays. Otherwise that goes
  /// even where no retention is set.
  bool keep_interrupted = true;
  bool allow_mass_removal = false;  // what repo::find_mass_removal() says is meant
  Timestamp when = now();
};

/// What becomes of a backup, and why.
struct ExpiredBackup {
  std::string label;
  std::optional<repo::BackupType> type;  // nothing: its marker cannot be read
  Timestamp stop_time{};
  std::uint64_t stored_bytes = 0;
  bool damaged = false;
  bool keep = true;
  std::vector<std::string> reasons;
};

/// What is below <stanza>/data/<label>/ of a backup that is removed, or that is not listed.
struct ExpiredData {
  std::string label;
  std::uint64_t packs_kept = 0;
  std::uint64_t packs_removed = 0;
  std::uint64_t manifest_parts_removed = 0;
  std::uint64_t removed_bytes = 0;
  std::string reason;       // why what goes goes, or all stays
  std::string kept_reason;  // of the packs that stay: "named by ..."; empty: none do
};

/// Archived files that follow each other and share their fate.
struct ExpiredWal {
  std::string cluster;
  std::string first;
  std::string last;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  bool keep = true;
  std::string reason;
};

/// All that expire will do, and why.
struct ExpirePlan {
  std::vector<ExpiredBackup> backups;  // oldest first
  std::vector<ExpiredData> data;
  std::vector<ExpiredWal> wal;
  std::vector<std::string> records;  // names of those that say something of removed backups only
  std::vector<std::string> notes;    // what the operator should read
};

/// Objects that the store would not remove yet: reported, but not a failure. The next expire tries
/// again.
struct KeptByStore {
  std::string first;  // key of one of them
  std::uint64_t objects = 0;
  std::optional<Timestamp> until;  // of the last to go; nothing: until somebody lifts it
};

struct ExpireResult {
  ExpirePlan plan;
  bool done = false;  // false: a dry run, or no rule is set
  std::uint64_t removed_objects = 0;
  std::uint64_t removed_bytes = 0;
  KeptByStore kept_by_store;  // no objects: none
};

/// Removes from one repository what the policy lets go: markers, then the manifests and packs that
/// no remaining backup names, then WAL that no remaining backup needs, then records of what is
/// gone. Holds the stanza's lease meanwhile. Whatever interrupts it, every listed backup is whole,
/// and the next run finishes the work.
///
/// A backup whose marker cannot be read stays, with all that it may need; the rest goes on.
///
/// Throws LockedError when another run holds the lease; DamagedError, and removes nothing, when a
/// hold, a release or a verdict cannot be read; UsageError when the backup that was asked for has
/// to stay, or when the rules remove most of what is stored and that was not allowed.
ExpireResult expire(const std::string& stanza, repo::Repository& repository,
                    const ExpireOptions& options, Progress& progress, std::stop_token stop);

}  // namespace pgcairn::engine
