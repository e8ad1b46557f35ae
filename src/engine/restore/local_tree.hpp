#pragma once

#include "restore/paths.hpp"

#include <pgcairn/repo/manifest.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// Walks what is in a restore's places beside its manifest, both in path order, and tells what
/// of it does not belong there: what the manifest does not name, and what is of another type or,
/// links, leads elsewhere. Memory: the names of one directory per level.
///
/// Never reported: pg_control, a restore's mark, lost+found where a file system is mounted, places
/// of the plan that happen to lie inside the data directory.
class LocalTree {
 public:
  /// `extra` is called once for a place, before look_at() goes on; it may remove what is there.
  using Visit = std::function<void(const Place&)>;
  LocalTree(const RestorePlan& plan, const Places& places, Roots& roots, Visit extra);

  /// To be called for all entries in the manifest's order; `places` knows each entry's links by
  /// then. The status of the file or directory that is in the entry's place and is of its type.
  std::optional<struct stat> look_at(const repo::ManifestEntry& entry);
  /// After the last entry.
  void finish();

 private:
  struct Level {
    std::string path;  // of the manifest, empty at the top
    Place directory;
    bool is_there = false;  // else nothing below it can be looked at
    std::vector<std::string> names;
    std::size_t next = 0;
  };
  void enter(const std::string& path, const Place& directory, bool is_there, bool list);
  void leave();
  void pass_until(Level& level, std::string_view name);
  void tell(const Level& level, const std::string& name);
  bool is_mounted(const Level& level);
  bool leads_elsewhere(const Place& place, const fs::path& target);

  const RestorePlan& plan_;
  const Places& places_;
  Roots& roots_;
  Visit extra_;
  std::vector<Level> levels_;
};

}  // namespace pgcairn::engine
