#include "delta_plan.hpp"

#include "places_apart.hpp"
#include "restore_files.hpp"

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

bool is_in(const std::vector<fs::path>& paths, const fs::path& path) {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

std::string original_location(const repo::BackupInfo& backup, std::uint32_t oid) {
  for (const repo::TablespaceInfo& space : backup.tablespaces) {
    if (space.oid == oid) return space.location;
  }
  return {};
}

}  // namespace

Ownership ownership(const fs::path& data_directory, const repo::BackupInfo& backup) {
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
    return {false, format("its global/pg_control tells nothing: {}", error.message())};
  }
}

std::vector<fs::path> own_places(const RestorePlan& plan) {
  std::vector<fs::path> places;
  const bool copy = plan.options.copy;
  for (const TablespacePlan& space : plan.tablespaces) {
    if (copy && space.location == original_location(plan.backup, space.oid)) continue;
    if (leads_to(plan.data_directory / "pg_tblspc" / std::to_string(space.oid), space.location))
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
  if (!is_real_directory(links)) return;
  std::vector<fs::path> kept;
  for (const TablespacePlan& space : plan.tablespaces) kept.push_back(real_path(space.location));
  for (const std::string& name : list_directory(links)) {
    const auto target = target_of(links / name);
    if (!target || is_in(kept, *target)) continue;
    const fs::path place = *target / tablespace_directory(plan.backup);
    if (!is_real_directory(place) || is_in(plan.abandoned, place)) continue;
    if (!plan.options.copy) {
      plan.abandoned.push_back(place);
      continue;
    }
    plan.notes.push_back(format(
        "tablespace {} leads to \"{}\", which the restored cluster does not use; since this is not "
        "the stanza's own pg-path, what is there is left alone",
        name, target->native()));
  }
}

void note_unarchived_wal(RestorePlan& plan) {
  const fs::path status = plan.data_directory / "pg_wal/archive_status";
  if (!is_real_directory(status)) return;
  const auto names = list_directory(status);
  const auto ready = std::count_if(
      names.begin(), names.end(), [](const std::string& name) { return name.ends_with(".ready"); });
  if (ready == 0) return;
  plan.notes.push_back(format(
      "pg_wal holds {} WAL files that were not archived yet, and the restore removes them: to "
      "recover them, too, archive them first with archive-push",
      ready));
}

}  // namespace pgcairn::engine
