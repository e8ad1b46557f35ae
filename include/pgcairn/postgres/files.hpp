#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace pgcairn::postgres {

inline constexpr std::uint32_t kPageBytes = 8192;
inline constexpr std::uint32_t kRelationSegmentBlocks = 131072;  // 1 GiB

/// The file in a data directory that names the backups which were taken of it; no part of a
/// cluster.
inline constexpr std::string_view kWitnessFile = "pgcairn.backups";

enum class FileType { regular, directory, link };

/// The name of a relation file that is not temporary: <relfilenode>[_fork][.segment]
/// (parse_filename_for_nontemp_relation, reinit.c).
struct RelationFile {
  std::uint32_t relfilenode = 0;
  enum class Fork { main, fsm, vm, init } fork = Fork::main;
  std::uint32_t segment = 0;
};
std::optional<RelationFile> parse_relation_file(std::string_view name);
bool is_temporary_relation(std::string_view name);  // t<digits>_<digits>...

/// Something that a backup keeps.
struct SourceFile {
  std::string path;  // relative to the data directory, '/' between parts, no leading one
  FileType type = FileType::regular;
  std::uint64_t size_bytes = 0;  // regular files
  mode_t mode = 0;               // permission bits
  uid_t uid = 0;
  gid_t gid = 0;
  std::int64_t modified_us = 0;  // microseconds since the epoch
  std::string link_target;       // links (tablespaces), and what was reached through one: its text
  std::optional<RelationFile>
      relation;  // in a database's or the global directory: its pages carry checksums
  std::filesystem::path source;  // where to open it
};

/// The path of a relation's files without fork and segment, "base/5/16399", out of that of one.
std::string relation_path(std::string_view file, const RelationFile& relation);

/// Order of visits and of manifests: part by part, each by byte value ("a/z" before "a.b"), a
/// directory before what is in it.
bool path_before(std::string_view a, std::string_view b);

/// Visits all that a backup of the cluster keeps, in path order: the rules of what to copy and what
/// not (basebackup.c excludeFiles, excludeDirContents; unlogged relations are their init fork;
/// temporary relations are nothing). Left out besides: pg_control (read last, by its own rule),
/// backup_label, tablespace_map, signal files, core files, lost+found at the top, what pgcairn left
/// unfinished; and `exclude`, paths with all that is below them (excluded.hpp): those of them that
/// are there are the result. Directories that PostgreSQL empties are visited as empty directories;
/// pg_wal/archive_status (and pg_wal/summaries from 17 on) always are. Symbolic links other than
/// those in pg_tblspc are followed: what they point to is kept as if it was in the data directory
/// (pg_wal stays a directory), and link_target tells where the link led. `major` and
/// `catalog_version` name the tablespaces' sub-directory; of a tablespace nothing else is visited.
/// A tablespace's link has the mode and owner of the directory it points to. Files that vanish
/// while looking are skipped; sockets, dangling links, links in a circle and the like are left out
/// with a warning in the log. A tablespace that lies inside the data directory is kept once, below
/// pg_tblspc. The data directory itself is not visited. Throws SystemError when something cannot be
/// looked at, Error when the directory that a tablespace's link points to is not there (not
/// mounted, say).
///
/// Memory: the names of one directory per level.
std::vector<std::string> scan_cluster(const std::filesystem::path& data_directory, int major,
                                      std::uint32_t catalog_version,
                                      const std::function<void(SourceFile&&)>& visit,
                                      std::span<const std::string> exclude = {});

/// Visits the relations that have an init fork now, by their relation_path() and in no order: those
/// are unlogged.
void find_unlogged(const std::filesystem::path& data_directory, int major,
                   std::uint32_t catalog_version, const std::function<void(std::string&&)>& visit);

}  // namespace pgcairn::postgres
