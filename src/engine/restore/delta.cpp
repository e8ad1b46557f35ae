#include "restore/delta.hpp"

#include "restore/paths.hpp"
#include "stanza/places_apart.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/control.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

/// Where a symbolic link leads, through all further ones; nothing when there is none.
std::optional<fs::path> target_of(const fs::path& link) {
  const auto status = stat_if_exists(link);
  if (!status || !S_ISLNK(status->st_mode)) return std::nullopt;
  return real_path(link);
}

bool leads_to(const fs::path& link, const fs::path& place) {
  const auto target = target_of(link);
  return target && *target == real_path(place);
}

bool is_real_directory(const fs::path& path) {
  const auto status = stat_if_exists(path);
  return status && S_ISDIR(status->st_mode);
}

/// Empty where there is no such directory.
std::vector<std::string> names_in(const fs::path& directory) {
  return is_real_directory(directory) ? list_directory(directory) : std::vector<std::string>{};
}

/// Where the links in a directory lead.
std::vector<fs::path> targets_in(const fs::path& directory) {
  std::vector<fs::path> targets;
  for (const std::string& name : names_in(directory)) {
    if (auto target = target_of(directory / name)) targets.push_back(std::move(*target));
  }
  return targets;
}

bool is_in(const std::vector<fs::path>& paths, const fs::path& path) {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

/// Did the operator say that this tablespace, which the restored cluster does not use, may go?
bool is_named(const RestorePlan& plan, const fs::path& space) {
  const auto& named = plan.options.remove_tablespaces;
  return std::any_of(named.begin(), named.end(),
                     [&](const std::string& one) { return real_path(one) == real_path(space); });
}

void note_unknown_names(RestorePlan& plan) {
  for (const std::string& named : plan.options.remove_tablespaces) {
    const bool goes = std::any_of(
        plan.abandoned.begin(), plan.abandoned.end(),
        [&](const fs::path& place) { return real_path(named) == real_path(place.parent_path()); });
    if (goes) continue;
    plan.notes.push_back(
        format("--remove-tablespace names \"{}\", where nothing is removed: no link in pg_tblspc "
               "points there, or the restored cluster uses it, or it is empty",
               named));
  }
}

}  // namespace

Ownership ownership(const fs::path& data_directory, const repo::BackupMarker& backup) {
  for (const char* const name : {"PG_VERSION", "global/pg_control"}) {
    const auto status = stat_if_exists(data_directory / name);
    if (!status || !S_ISREG(status->st_mode)) return {false, format("it has no {}", name)};
  }
  try {
    const SystemId id = postgres::read_control_file(data_directory).system_id;
    if (id == backup.system_id) return {true, {}};
    return {false, format("it belongs to system identifier {}, and backup {} is of {}", id,
                          backup.label, backup.system_id)};
  } catch (const Error& error) {
    return {false, format("its global/pg_control cannot be read: {}", error.message())};
  }
}

std::vector<fs::path> own_places(const RestorePlan& plan) {
  std::vector<fs::path> places;
  const bool copy = plan.options.copy;
  const fs::path& own_folder = plan.options.own_folder;
  // By any OID: a tablespace that was dropped and made again in its directory has another one.
  const std::vector<fs::path> targets = targets_in(plan.data_directory / "pg_tblspc");
  for (const TablespacePlan& space : plan.tablespaces) {
    if (copy && space.location == original_location(plan.backup, space.oid)) continue;
    const bool own = !own_folder.empty() && is_within(space.location, own_folder);
    if (own || is_in(targets, real_path(space.location)))
      places.push_back(space.location / tablespace_directory(plan.backup));
  }
  for (const LinkPlan& link : plan.links) {
    if (link.location.empty() || (copy && !plan.options.link_map.contains(link.path))) continue;
    if (leads_to(plan.data_directory / link.path, link.location)) places.push_back(link.location);
  }
  return places;
}

void find_abandoned_places(RestorePlan& plan) {
  const std::vector<fs::path> used = outside_places(plan);
  for (const fs::path& place : plan.marked) {
    if (!is_in(used, place) && stat_if_exists(place)) plan.abandoned.push_back(place);
  }
  const fs::path links = plan.data_directory / "pg_tblspc";
  std::vector<fs::path> kept;
  for (const TablespacePlan& space : plan.tablespaces) kept.push_back(real_path(space.location));
  for (const std::string& name : names_in(links)) {
    const auto target = target_of(links / name);
    if (!target || is_in(kept, *target)) continue;
    const fs::path place = *target / tablespace_directory(plan.backup);
    if (names_in(place).empty() || is_in(plan.abandoned, place)) continue;
    if (!plan.options.copy || is_named(plan, *target)) {
      plan.abandoned.push_back(place);
      continue;
    }
    plan.notes.push_back(
        format("tablespace {} points to \"{}\", which the restored cluster does not use; its "
               "content stays, since this is not the stanza's own pg-path",
               name, target->native()));
  }
  note_unknown_names(plan);
}

void require_named(const RestorePlan& plan) {
  std::string places;
  std::string options;
  for (const fs::path& place : plan.abandoned) {
    const fs::path space = place.parent_path();
    if (is_in(plan.marked, place) || is_named(plan, space)) continue;
    places += format("{}\"{}\"", places.empty() ? "" : ", ", space.native());
    options += format(" --remove-tablespace={}", shell_quote(space.native()));
  }
  if (places.empty()) return;
  throw Error(format("links in \"{}\" point to tablespaces that the restored cluster does not use, "
                     "and that hold files: {}",
                     (plan.data_directory / "pg_tblspc").native(), places),
              format("replay could create them again over these files. If they are this cluster's "
                     "own and may be emptied, add{}; if another cluster's, of which this directory "
                     "is a copy, remove their links from pg_tblspc; nothing was touched",
                     options));
}

}  // namespace pgcairn::engine
