#pragma once

#include <pgcairn/common/beneath.hpp>
#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

/// Where something of a restore is: a directory that the plan names (the data directory, a
/// tablespace's, one behind a link, that for configuration), and the path below it.
struct Place {
  fs::path root;
  std::string path;  // empty: the root itself
  fs::path whole() const { return path.empty() ? root : root / path; }
  Place operator/(std::string_view name) const {
    return {root, path.empty() ? std::string(name) : path + "/" + std::string(name)};
  }
};

/// Where paths of the manifest are on this host.
class Places {
 public:
  explicit Places(const RestorePlan& plan);

  /// Is there a place for `path`? What was outside of the data directory may have none, and what is
  /// on a file system that is left alone has none.
  bool has(std::string_view path) const;
  /// Where the content of `path` is: of a link, what it leads to.
  Place of(std::string_view path) const;
  /// Where the name of `path` is: of a link, the link itself.
  Place name_of(std::string_view path) const;
  void add_link(const LinkPlan& link);
  /// Where the link `path` points, of a tablespace or of the plan; nothing when it is none.
  std::optional<fs::path> link_target(std::string_view path) const;

 private:
  struct Link {
    fs::path location;
    bool is_file = false;
  };
  const std::pair<const std::string, Link>* link_above(std::string_view path) const;
  const RestorePlan& plan_;
  std::map<std::string, Link, std::less<>> links_;  // "pg_tblspc/16400" -> its directory
};

/// A place whose root is open.
struct OpenPlace {
  const Beneath& root;
  std::string path;
  fs::path whole() const { return path.empty() ? root.path() : root.path() / path; }
};

/// The roots of a plan's places, held open: all that a restore reads, writes and removes, it
/// reaches through these, so that no link leads it elsewhere. What a root's own path leads to was
/// resolved for the plan (RestorePlan::real) and is opened without following a link. Safe to use
/// from several threads.
class Roots {
 public:
  explicit Roots(const RestorePlan& plan) : plan_(plan) {}

  /// Nothing when there is no such directory.
  const Beneath* find(const fs::path& root);
  /// Throws when there is no such directory.
  const Beneath& get(const fs::path& root);
  /// Makes what is missing of it.
  const Beneath& make(const fs::path& root);
  OpenPlace open(const Place& place) { return {get(place.root), place.path}; }

  std::optional<struct stat> status(const Place& place);
  /// What is in a directory, but lost+found; a file or link itself; nothing where nothing is.
  std::vector<Place> contents(const fs::path& place);

 private:
  fs::path real(const fs::path& root) const;
  const RestorePlan& plan_;
  std::mutex mutex_;
  std::map<std::string, Beneath> open_;
};

/// Resolves the paths of all directories that the plan names, and keeps them in plan.real. Throws
/// UsageError when one is a dangling link.
void resolve_roots(RestorePlan& plan);

}  // namespace pgcairn::engine
