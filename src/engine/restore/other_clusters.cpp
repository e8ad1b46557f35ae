#include "restore/other_clusters.hpp"

#include "restore/apart.hpp"
#include "restore/mark.hpp"
#include "restore/paths.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/other_servers.hpp>

#include <algorithm>
#include <cerrno>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>

namespace pgcairn::engine {

namespace {

constexpr const char* kWaysOut =
    "place it elsewhere with --tablespace-map, --link-map or --config-to, or remove a link that "
    "points to another cluster's; if it is this cluster's own, stop the other server first; "
    "nothing was touched";

/// Nothing when there is no such file, or it cannot be looked at.
std::optional<struct stat> stat_of_target(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return status;
}

bool is_same(const fs::path& one, const fs::path& other) {
  const auto first = stat_of_target(one);
  const auto second = stat_of_target(other);
  return first && second && first->st_dev == second->st_dev && first->st_ino == second->st_ino;
}

/// Also one that is being restored.
bool is_cluster(const fs::path& directory) {
  return stat_of_target(directory / "PG_VERSION") &&
         (stat_of_target(directory / "global/pg_control") ||
          stat_of_target(directory / kRestoreMark));
}

/// Of a tablespace the directory that its link leads to, else the place itself.
fs::path linked_directory(const RestorePlan& plan, const fs::path& place) {
  return place.filename() == tablespace_directory(plan.backup) ? place.parent_path() : place;
}

void require_unused(const RestorePlan& plan, const fs::path& place,
                    const std::vector<postgres::UsedPlace>& used) {
  const fs::path directory = linked_directory(plan, place);
  const auto status = stat_of_target(directory);
  if (!status) return;
  for (const postgres::UsedPlace& one : used) {
    if (one.device != status->st_dev || one.inode != status->st_ino) continue;
    // In a tablespace's directory each version of PostgreSQL has one of its own.
    if (directory != place && !one.version.empty() &&
        one.version != std::to_string(plan.backup.pg_version))
      continue;
    throw Error(
        format("\"{}\", where a part of the cluster belongs, is {}", directory.native(), one.words),
        kWaysOut);
  }
  if (directory == place) return;
  const std::string open = postgres::open_in_tablespace(place);
  if (open.empty()) return;
  throw Error(format("a process has \"{}\" open for writing, so that \"{}\" is another cluster's",
                     open, directory.native()),
              kWaysOut);
}

/// The mount that an existing path is in.
fs::path mount_of(const fs::path& existing) {
  fs::path point = existing;
  while (point.has_relative_path()) {
    struct statx status {};
    if (::statx(AT_FDCWD, point.c_str(), 0, STATX_TYPE, &status) != 0) break;
    if ((status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) break;
    point = point.parent_path();
  }
  return point;
}

}  // namespace

void require_outside_of_clusters(const RestorePlan& plan) {
  for (const NamedPlace& place : places_of_restore(plan)) {
    fs::path above = real_path(place.path);
    if (place.kind == PlaceKind::data) above = above.parent_path();
    for (; above.has_relative_path(); above = above.parent_path()) {
      if (!is_cluster(above) || is_same(above, plan.data_directory)) continue;
      throw UsageError(format("{} (\"{}\") is in the data directory of another cluster, \"{}\"",
                              place.name, place.path.native(), above.native()),
                       format("name another place with {}; nothing was touched", place.moved_with));
    }
  }
}

void require_no_other_owner(const RestorePlan& plan) {
  const auto used = postgres::places_of_other_servers(plan.data_directory);
  std::vector<fs::path> places = outside_places(plan);
  places.insert(places.end(), plan.abandoned.begin(), plan.abandoned.end());
  places.insert(places.end(), plan.marked.begin(), plan.marked.end());
  for (const fs::path& place : places) require_unused(plan, place, used);
}

void note_missing_mounts(RestorePlan& plan) {
  if (plan.options.sandboxed) return;  // a drill makes its own directories
  std::set<fs::path> noted;
  const auto look_at = [&](const fs::path& place) {
    fs::path missing = real_path(place);
    int levels = 0;
    fs::path above = missing;
    for (; above.has_relative_path() && !stat_of_target(above); above = above.parent_path()) {
      missing = above;
      ++levels;
    }
    if (levels < 2 || !noted.insert(missing).second) return;
    plan.notes.push_back(format(
        "\"{}\" is not there and will be made on the file system of \"{}\": is a disk not mounted?",
        missing.native(), mount_of(above).native()));
  };
  for (const TablespacePlan& space : plan.tablespaces) look_at(space.location);
  for (const LinkPlan& link : plan.links) {
    if (!link.location.empty()) look_at(link.location);
  }
}

}  // namespace pgcairn::engine
