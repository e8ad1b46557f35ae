#include "restore/mounts.hpp"

#include "restore/paths.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

// What initdb makes, and where the server writes its log by default.
constexpr std::string_view kPostgresDirectories[] = {
    "base",      "global",       "log",          "pg_commit_ts", "pg_dynshmem",
    "pg_log",    "pg_logical",   "pg_multixact", "pg_notify",    "pg_replslot",
    "pg_serial", "pg_snapshots", "pg_stat",      "pg_stat_tmp",  "pg_subtrans",
    "pg_tblspc", "pg_twophase",  "pg_wal",       "pg_xact"};

bool is_postgres_directory(std::string_view path) {
  const auto* const end = std::end(kPostgresDirectories);
  return std::find(std::begin(kPostgresDirectories), end, path.substr(0, path.find('/'))) != end;
}

bool is_below(std::string_view path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

[[noreturn]] void refuse(const std::string& point, std::string_view why) {
  throw Error(format("a file system is mounted at \"{}\", {}", point, why),
              "unmount it, restore, and mount it again; nothing was touched");
}

}  // namespace

MountRules::MountRules(RestorePlan& plan, const Places& places, Roots& roots)
    : plan_(plan), places_(places), roots_(roots) {
  if (plan.compares || plan.resumes) points_ = mount_points();
}

/// Empty when its root is not there.
std::string MountRules::real(const Place& place) {
  const Beneath* const root = roots_.find(place.root);
  if (root == nullptr) return {};
  return (place.path.empty() ? root->path() : root->path() / place.path).native();
}

void MountRules::look_at(const repo::ManifestEntry& entry) {
  if (points_.empty() || repo::is_outside(entry.path)) return;
  look_below_left(entry);
  const bool is_directory = entry.type == repo::EntryType::directory;
  if (!is_directory || places_.link_target(entry.path))
    look_at_name(entry, places_.name_of(entry.path));
  if (is_directory) look_at_directory(entry);
}

void MountRules::look_below_left(const repo::ManifestEntry& entry) const {
  for (std::size_t i = 0; i < plan_.left_paths.size(); ++i) {
    if (!is_below(entry.path, plan_.left_paths[i])) continue;
    refuse(plan_.left_mounts[i].native(),
           format("and the backup has content for that directory, \"{}\", which PostgreSQL did not "
                  "make",
                  entry.path));
  }
}

/// A file or link cannot come where something is mounted, or has to stay mounted below.
void MountRules::look_at_name(const repo::ManifestEntry& entry, const Place& place) {
  const std::string path = real(place);
  const auto point = std::lower_bound(points_.begin(), points_.end(), path);
  if (path.empty() || point == points_.end()) return;
  if (*point == path || is_below(*point, path))
    refuse(*point, format("where the backup has a {}, \"{}\"",
                          entry.type == repo::EntryType::file ? "file" : "link", entry.path));
}

void MountRules::look_at_directory(const repo::ManifestEntry& entry) {
  const Place place = places_.of(entry.path);
  if (place.path.empty()) return;  // a root may be mounted as it likes
  const std::string path = real(place);
  if (path.empty() || !std::binary_search(points_.begin(), points_.end(), path)) return;
  const auto status = roots_.status(place);
  if (!status || !S_ISDIR(status->st_mode))
    refuse(path, format("where the backup has a directory, \"{}\"", entry.path));
  if (is_postgres_directory(entry.path)) {
    plan_.cluster_mounts.emplace_back(path);
  } else {
    plan_.left_mounts.emplace_back(path);
    plan_.left_paths.push_back(entry.path);
  }
}

void MountRules::finish() {
  std::vector<fs::path> inside = outside_places(plan_);
  inside.push_back(plan_.data_directory);
  inside.insert(inside.end(), plan_.marked.begin(), plan_.marked.end());
  for (const std::string& point : points_) {
    if (std::find(plan_.cluster_mounts.begin(), plan_.cluster_mounts.end(), point) !=
            plan_.cluster_mounts.end() ||
        std::find(plan_.left_mounts.begin(), plan_.left_mounts.end(), point) !=
            plan_.left_mounts.end())
      continue;
    const bool is_inside_one = std::any_of(inside.begin(), inside.end(), [&](const auto& place) {
      const std::string path = real({place, {}});
      return !path.empty() && is_below(point, path);
    });
    if (is_inside_one) plan_.left_mounts.emplace_back(point);
  }
  for (const fs::path& left : plan_.left_mounts) {
    plan_.notes.push_back(
        format("a file system is mounted at \"{}\", which is not a directory of PostgreSQL: it "
               "stays, with all that is in it",
               left.native()));
  }
}

}  // namespace pgcairn::engine
