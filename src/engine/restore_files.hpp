#pragma once

#include <pgcairn/common/file.hpp>
#include <pgcairn/engine/restore.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

/// Is `path` the directory, or below it? Only their text is looked at.
bool is_inside(const fs::path& path, const fs::path& directory);

/// "PG_15_202209061": the directory inside a tablespace that belongs to one version of PostgreSQL.
std::string tablespace_directory(const repo::BackupInfo& backup);

/// True when the directory holds a restore of ours that was interrupted: such a directory may be
/// wiped.
bool is_unfinished_restore(const fs::path& data_directory);
/// Says so in the directory, and which places outside of it hold parts of the restore. Durable when
/// it returns.
void mark_unfinished(const fs::path& data_directory, const RestorePlan& plan);
/// The places that the mark names: those of an interrupted restore, which may be wiped.
std::vector<fs::path> marked_places(const fs::path& data_directory);
/// Directories and files of the plan outside of the data directory, each to be empty or absent.
std::vector<fs::path> outside_places(const RestorePlan& plan);
void unmark_unfinished(const fs::path& data_directory);
/// What an interrupted restore left, but the mark itself.
std::vector<fs::path> wiped(const RestorePlan& plan);
/// What is in a directory, but lost+found; a file itself; nothing where nothing is.
std::vector<fs::path> contents(const fs::path& place);

/// Where paths of the manifest are on this host.
class Places {
 public:
  explicit Places(const RestorePlan& plan);

  /// Is there a place for `path`? What was outside of the data directory may have none.
  bool has(std::string_view path) const;
  /// The data directory, or the place behind a link that `path` is in.
  const fs::path& root_of(std::string_view path) const;
  fs::path of(std::string_view path) const;
  void add_link(const std::string& path, const fs::path& location);
  /// Where the link `path` points, of a tablespace or of the plan; nothing when it is none.
  std::optional<fs::path> link_target(std::string_view path) const;

 private:
  fs::path data_directory_;
  fs::path config_directory_;  // empty: nowhere
  const std::pair<const std::string, fs::path>* link_above(std::string_view path) const;
  std::map<std::string, fs::path, std::less<>> links_;  // "pg_tblspc/16400" -> its directory
};

/// Sets owner and mode as the manifest says; owners only when running as root.
class Owners {
 public:
  explicit Owners(const fs::path& data_directory);
  void apply(const Fd& fd, const repo::ManifestEntry& entry, const fs::path& path);
  void apply_to_directory(const repo::ManifestEntry& entry, const fs::path& path);

 private:
  uid_t uid(const std::string& name);
  gid_t gid(const std::string& name);
  bool root_;
  uid_t otherwise_uid_;
  gid_t otherwise_gid_;
  std::map<std::string, uid_t> users_;
  std::map<std::string, gid_t> groups_;
};

}  // namespace pgcairn::engine
