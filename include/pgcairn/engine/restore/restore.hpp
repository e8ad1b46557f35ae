#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/engine/progress.hpp>
#include <pgcairn/engine/restore/recovery_target.hpp>
#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/engine/wal/branch.hpp>
#include <pgcairn/engine/wal/reach.hpp>
#include <pgcairn/postgres/recovery.hpp>
#include <pgcairn/postgres/wal_records.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/repository.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace pgcairn::engine {

/// Which branch of the history recovery follows; latest: the newest of the archive.
struct TimelineChoice {
  enum class Kind { latest, current, number } kind = Kind::latest;
  Timeline number = 0;
};

struct RestoreOptions {
  std::string set;             // a label; empty: the right one is chosen
  bool accept_damage = false;  // a named backup may be one that verify found damaged
  RecoveryTarget target;
  std::string target_action;  // pause | promote | shutdown; empty: PostgreSQL's default
  TimelineChoice timeline;
  bool archive_off = false;   // the restored server does not archive
  bool archive_kept = false;  // an isolated copy archives as its original does
  std::string
      accept_gap;  // a missing segment at which recovery may end though later ones are there
  postgres::Settings recovery_options;                // of the operator, stronger than ours
  std::map<std::string, std::string> tablespace_map;  // oid, name or old location -> new directory
  std::vector<std::string> db_include;                // names; empty: all
  std::vector<std::string> db_exclude;
  std::string tablespace_map_all;  // a directory for a directory of each; empty: where they were
  std::map<std::string, std::string>
      link_map;                     // path of the manifest -> where it is, behind a link
  bool link_all = false;            // links as they were
  bool delta = false;               // what is in the places may stay where it is right
  bool discard_wal = false;         // what is in pg_wal only may be lost
  bool space_check = true;          // refuse what does not fit into the file systems
  bool server_is_stopped = false;   // the operator knows it; where nothing proves it, that decides
  std::filesystem::path config_to;  // where what was outside goes; empty: nowhere
  std::map<std::string, std::string> broken;  // labels that cannot be restored, and why
  bool copy = false;                          // the data directory is not the stanza's own
  bool replaces = false;             // a copy that takes the original's place, and its places
  bool isolated = false;             // it is a copy that must not reach out, or to the original
  bool sandboxed = false;            // something else keeps replay off other places: do not look
  std::filesystem::path own_folder;  // all that is in it is a drill's, by no link; empty: none
  std::filesystem::path original;    // the stanza's own data directory on this host; empty: unknown
  std::uint16_t original_port = 0;   // of its server, as configured; 0: unknown
  bool dry_run = false;              // it is only planned: a server may run in the directory
  std::vector<std::string> remove_tablespaces;  // not in the backup, and may be emptied
  std::vector<std::string> allow_tablespaces;   // locations that replay may create one in
  std::string restore_command;                  // for the restored server; %f and %p in it
  unsigned workers = 2;
  // Memory for the list of what is to be written; a longer one is worked off in several goes.
  std::uint64_t batch_bytes = 64 * kMiB;
};

struct TablespacePlan {
  std::uint32_t oid = 0;
  std::string name;
  std::filesystem::path location;  // where it will be
};
/// A file or directory that was a symbolic link, or becomes one.
struct LinkPlan {
  std::string path;                // in the data directory
  std::string was;                 // where it led; empty: it was no link
  std::filesystem::path location;  // where it will be; empty: in the data directory itself
  bool is_file = false;
};
/// What a file system has to take.
struct SpacePlan {
  std::vector<std::filesystem::path> directories;  // of the restore
  std::uint64_t needed_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t needed_files = 0;  // with directories
};

/// A setting of the server's that names a file outside of the data directory.
struct ExternalConfigFile {
  std::string setting;             // "config_file"
  std::string was;                 // where it was
  std::filesystem::path location;  // where it will be; empty: it is not restored
  bool on_host = false;            // this host has a file where it was
};

/// An archived file that the restore itself puts into pg_wal.
struct WalPlacement {
  std::string archived;   // "000000010000000000000007.partial"
  std::string segment;    // its name in pg_wal
  bool is_done = false;   // the server only reads it, and never archives it again
  bool may_fail = false;  // recovery asks for it only where something was prepared
};

/// What replay meets on its way to the target that leads out of the data directory.
struct OutsideWay {
  std::vector<postgres::CreatedTablespace> created;
  Lsn before_created;      // the record before the first of them; 0: none
  std::optional<Lsn> end;  // where recovery ends, by what was read; nothing: the end of the WAL
  std::optional<Lsn>
      stop_after;  // recovery ends after the record there, instead of before the next
};

/// Whom the restored files belong to: one user, who was the data directory's.
struct RestoreOwner {
  bool changes = false;  // root restores; else they belong to the user who does
  uid_t uid = 0;
  gid_t gid = 0;
  std::string was_user;  // in the backup, of the data directory
  std::string was_group;
  mode_t directory_mode = 0700;  // of the data directory
};

/// All that a restore will do, decided before anything is touched.
struct RestorePlan {
  std::string stanza;
  repo::Repository* repository = nullptr;
  repo::BackupMarker backup;
  std::string reason;  // why this backup
  std::filesystem::path data_directory;
  bool resumes = false;   // the directory holds an interrupted restore
  bool compares = false;  // --delta, and there is something; else what was interrupted is wiped
  RestoreOptions options;
  std::vector<TablespacePlan> tablespaces;
  std::vector<LinkPlan> links;
  std::vector<ExternalConfigFile> outside;
  std::uint64_t outside_files = 0;             // that go to options.config_to
  bool uses_config_to = false;                 // for these, or for directories
  std::set<std::uint32_t> left_out_databases;  // oids
  std::vector<SpacePlan> space;
  std::uint64_t fetch_bytes = 0;  // from the repository; at most, when `compares`
  std::uint64_t write_bytes = 0;  // to the data directory and tablespaces; at most, when `compares`
  std::uint64_t files = 0;
  std::vector<repo::ManifestPack> packs;  // that the maps name, sorted by ref and number
  std::vector<std::string> wal_needed;    // first and last segment to become consistent
  std::vector<TimelineSpan> path;         // from the backup's timeline to the target's
  bool has_gap = false;  // before wal.after_gap WAL is missing that the archive was to have
  // Where "latest" would lead a server; what it could only get by streaming does not count.
  Timeline server_latest = 0;
  std::vector<Branch> branches;  // of the cluster, when there are several; newest first
  WalReach wal;
  std::vector<WalPlacement> wal_files;           // put into pg_wal
  std::span<repo::Repository> all_repositories;  // where they are looked for
  OutsideWay way;
  postgres::Settings limits;       // that recovery needs, and the configuration may not have
  std::set<std::string> unlogged;  // relations of which nothing but the init fork is restored
  std::vector<postgres::CreatedTablespace> late_tablespaces;  // made at places not named above
  postgres::Settings isolation;                  // of an isolated copy; port is its own
  std::vector<std::filesystem::path> abandoned;  // places outside that are emptied and not used
  std::vector<std::filesystem::path> marked;     // places outside that an interrupted restore wrote
  RestoreOwner owner;
  // Mount points in the places: those that hold a part of the cluster, and directories of the
  // manifest that are left alone.
  std::vector<std::filesystem::path> cluster_mounts;
  std::vector<std::filesystem::path> left_mounts;
  std::vector<std::string> left_paths;
  // Each directory that the plan names, with its links resolved: what the restore opens.
  std::map<std::filesystem::path, std::filesystem::path> real;
  std::uint64_t compare_bytes = 0;  // that stand in the places and can be right
  std::uint64_t remove_files = 0;   // with links, directories and the like
  std::uint64_t remove_bytes = 0;
  std::vector<std::string> removes;  // the first of them; of a tree the topmost only
  std::vector<std::string> notes;    // what the operator should read before going on
  std::size_t deciding_notes = 0;    // the first of them: they may decide not to go on
  bool server_runs = false;          // in the data directory; only in a dry run

  /// Adds a note that may decide not to go on, before all that do not.
  void note_first(std::string note) {
    notes.insert(notes.begin() + static_cast<std::ptrdiff_t>(deciding_notes++), std::move(note));
  }
};

/// No backup leads to the target, or archived WAL does not: it is not the words that are wrong, but
/// what they name is not there (exit 10).
class UnreachableTargetError : public MissingError {
  using MissingError::MissingError;
};

/// The backup that was chosen lacks WAL that it needs: it cannot be restored.
class WalMissingError : public Error {
  using Error::Error;
};

/// Recovery from the backup that was chosen would fail before it came to the target.
class NotReplayableError : public Error {
  using Error::Error;
};

/// Chooses, checks and counts; touches nothing. The repositories must outlive the plan. Throws what
/// keeps the restore from working, each with the nearest thing that would, and Interrupted when
/// `stop` is requested: reading the WAL on the way of an isolated copy takes its time.
RestorePlan plan_restore(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                         const RestoreOptions& options, Progress& progress, std::stop_token stop);
/// The same into an empty plan, which holds repository and backup once they are chosen, whatever is
/// thrown later.
void plan_restore(RestorePlan& plan, const StanzaSettings& stanza,
                  std::span<repo::Repository> repositories, const RestoreOptions& options,
                  Progress& progress, std::stop_token stop);

/// What an isolated copy's configuration is overruled by, the operator's own words considered;
/// empty when it is none.
postgres::Settings isolation_of(const RestorePlan& plan);
/// Where recovery of an isolated copy ends, and beyond which its WAL may be withheld; nothing when
/// that is not known, or nothing guards it.
std::optional<Lsn> guarded_end(const RestorePlan& plan);

/// What a restore did.
/// Was it damage of the plan's backup that ended its restore, so that another backup may do? Not
/// where the operator has named it.
bool may_pass_over(const RestorePlan& plan, const DamagedError& error);

struct RestoreResult {
  std::uint64_t compared_bytes = 0;  // read in the directory
  std::uint64_t fetched_bytes = 0;   // of packs, as they are stored
  std::uint64_t written_bytes = 0;   // content of files
  std::uint64_t removed_files = 0;   // with links, directories and the like
  std::uint64_t removed_bytes = 0;
};

/// Carries the plan out. Until it returns the directory cannot be started.
RestoreResult run_restore(const RestorePlan& plan, Progress& progress, std::stop_token stop);

}  // namespace pgcairn::engine
