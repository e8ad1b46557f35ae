#pragma once

#include "restore_files.hpp"

#include <pgcairn/repo/manifest.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// Walks what stands in a restore's places beside its manifest, both in path order, and tells what
/// of it does not belong there: what the manifest does not name, and what is of another type or,
/// links, leads elsewhere. Memory: the names of one directory per level.
///
/// Never told of: pg_control, a restore's mark, lost+found at the top, places of the plan
/// that happen to lie inside the data directory.
class LocalTree {
 public:
  /// `extra` is told of a path once, before look_at() goes on; it may remove what is there.
  using Visit = std::function<void(const fs::path&)>;
  LocalTree(const RestorePlan& plan, const Places& places, Visit extra);

  /// To be called for all entries in the manifest's order; `places` knows each entry's links by
  /// then. The status of the file or directory that stands in the entry's place and is of its type.
  std::optional<struct stat> look_at(const repo::ManifestEntry& entry);
  /// After the last entry.
  void finish();

 private:
  struct Level {
    std::string path;  // of the manifest, empty at the top
    fs::path directory;
    std::vector<std::string> names;
    std::size_t next = 0;
  };
  void enter(const std::string& path, const fs::path& directory, bool list);
  void leave();
  void pass_until(Level& level, std::string_view name);
  void tell(const Level& level, const std::string& name);
  bool leads_elsewhere(const fs::path& path, const fs::path& target) const;

  const RestorePlan& plan_;
  const Places& places_;
  Visit extra_;
  std::vector<Level> levels_;
};

/// What a path and all that is below it come to; links are not followed.
struct TreeSize {
  std::uint64_t files = 0;       // and links and the like, and directories
  std::uint64_t bytes = 0;       // their sizes
  std::uint64_t disk_bytes = 0;  // that removing it would free
};
TreeSize tree_size(const fs::path& path);

/// Removes a path and all that is below it. Throws SystemError.
void remove_tree(const fs::path& path);

}  // namespace pgcairn::engine
