#pragma once

#include <pgcairn/common/named_relation.hpp>
#include <pgcairn/common/server_limits.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/repo/object_seal.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::repo {

enum class BackupType { full, incremental, differential };
std::string_view name_of(BackupType type);  // "full", "incr", "diff"
std::optional<BackupType> parse_backup_type(std::string_view name);

inline constexpr std::size_t kMostBlocksNamed = 1000;  // of one file, in manifest and marker

/// A file whose pages failed their checksum when it was copied. At most kMostBlocksNamed blocks are
/// named; `count` tells all.
struct PageErrors {
  std::string path;
  std::vector<std::uint32_t> blocks;  // counted from the start of the relation
  std::uint64_t count = 0;
  std::optional<NamedRelation> relation{};  // none: the server could not tell
};

/// Packs [first, last] of a backup that a manifest names.
struct PackRange {
  std::string backup;  // label of the owner
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  bool operator==(const PackRange&) const = default;
};

/// What a backup names of an interrupted one, which had stored it already.
struct Resumed {
  std::string backup;       // label of the interrupted one
  std::uint64_t packs = 0;  // of its packs, how many are named
  std::uint64_t bytes = 0;  // of files
  bool operator==(const Resumed&) const = default;
};

struct TablespaceInfo {
  std::uint32_t oid = 0;
  std::string name;
  std::string location;
};

struct DatabaseInfo {
  std::uint32_t oid = 0;
  std::string name;
};

/// A file that should be in the backup and could not be read.
struct UnreadableFile {
  std::string path;
  std::string cause;
  bool operator==(const UnreadableFile&) const = default;
};
inline constexpr std::size_t kMostUnreadableNamed = 1000;

/// What belongs to the cluster outside of its data directory. Files that the server gets with
/// the settings of these names; empty: in the data directory.
struct ExternalConfigInfo {
  std::string config_file;
  std::string hba_file;
  std::string ident_file;
  std::uint64_t files = 0;                 // that the backup has, with those of include-path
  std::vector<UnreadableFile> unreadable;  // that it has not
  bool operator==(const ExternalConfigInfo&) const = default;
};

/// What the marker of a backup says: all that `info` shows and what restore needs before it opens
/// the manifest (pgcairn-repository(5), BACKUP MARKER).
struct BackupMarker {
  std::string label;
  BackupType type = BackupType::full;
  std::string prior;    // label of the backup this one builds on; empty for a full one
  std::string cluster;  // id of the cluster object: <major>-<system id>

  SystemId system_id = 0;
  int pg_version = 0;  // major
  std::uint32_t catalog_version = 0;
  std::uint64_t wal_segment_bytes = 0;
  bool data_checksums = false;
  bool from_standby = false;

  Timestamp start_time{};
  Timestamp stop_time{};
  Lsn start_lsn;
  Lsn stop_lsn;
  Timeline timeline = 0;
  std::string wal_start;  // first and last WAL segment that the backup needs to become consistent
  std::string wal_stop;

  /// XXH3-128 of wal_stop up to stop_lsn, in hexadecimal digits: tells it from one of another life
  /// under the same name. Empty: not known.
  std::string wal_stop_hash;
  std::string witness;  // the random number that was left in the data directory; empty: none

  bool wal_copied = false;  // by the backup itself: the cluster need not archive

  std::uint64_t cluster_bytes = 0;  // sum of the sizes of all files
  std::uint64_t read_bytes = 0;     // read from the cluster
  std::uint64_t stored_bytes = 0;   // written to the repository
  std::uint64_t files = 0;
  std::vector<Resumed> resumed;
  std::string method;         // how changed pages were found: "all", "summaries", "compare"
  std::string method_reason;  // why not by summaries; empty otherwise
  std::vector<PageErrors> page_errors;

  std::vector<TablespaceInfo> tablespaces;
  std::vector<DatabaseInfo> databases;  // when the backup began
  ExternalConfigInfo outside;
  std::vector<std::string> excluded;  // paths in the data directory that were left out by wish
  /// Relations, as "base/5/16399", of which main forks may have been copied before they got the
  /// init fork that makes them unlogged: a restore leaves out all of their forks but that.
  std::vector<std::string> unlogged;
  /// Transactions that are older than this one may make more of them after the backup's end; 0: no
  /// number tells when that is over; none: there were no such transactions.
  std::optional<std::uint32_t> unsettled_before{};
  std::optional<ServerLimits> limits{};  // that the cluster was running with
  bool limits_configured = true;         // by its configuration files, as they were copied
  std::string backup_label;              // byte for byte as pg_backup_stop gave it
  std::string tablespace_map;            // the same; empty when none

  std::vector<PackRange> packs;
  std::uint32_t manifest_parts = 0;
  std::vector<Binding> manifest_seals;  // of sealed parts, which objects they have to be
  std::string codec;
  std::string program_version;
  std::string host;

  std::uint64_t page_error_count() const;
};

/// The marker's JSON, and back. read throws DamagedError naming `object`.
std::string write_backup_marker(const BackupMarker& info);
BackupMarker read_backup_marker(std::string_view json, const std::string& object);

/// "20261121-010203F": a full backup's label is its start time; others append theirs to the full
/// one's.
std::string full_backup_label(Timestamp start);
/// "20261121-010203F_20261122-010203I", for a backup that builds on `prior`.
std::string later_backup_label(BackupType type, std::string_view prior, Timestamp start);
/// The time part of the backup itself: "20261122-010203".
std::string_view label_time(std::string_view label);
bool is_backup_label(std::string_view text);
/// When the oldest of these backups began, by its label, which is in UTC.
std::optional<Timestamp> oldest_backup(std::span<const std::string> labels);

}  // namespace pgcairn::repo
