#include "restore/placement.hpp"

#include "restore/apart.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

/// A tablespace's own directory below that of --tablespace-map-all.
std::string directory_name(const repo::TablespaceInfo& space) {
  const bool plain = std::all_of(space.name.begin(), space.name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  return plain && !space.name.empty() ? space.name : std::to_string(space.oid);
}

/// In-place tablespaces (15 on) are directories of pg_tblspc, recognized by a path that is not
/// absolute.
bool is_in_place(const repo::TablespaceInfo& space) {
  return !space.location.starts_with('/');
}

std::string words(const repo::TablespaceInfo& space) {
  return format("tablespace {} (\"{}\")", space.oid, space.name);
}

fs::path place_of(const RestorePlan& plan, const repo::TablespaceInfo& space,
                  std::set<std::string>& unused) {
  fs::path place = space.location;
  if (!plan.options.tablespace_map_all.empty())
    place = fs::path(plan.options.tablespace_map_all) / directory_name(space);
  for (const std::string& key : {std::to_string(space.oid), space.name, space.location}) {
    const auto mapped = plan.options.tablespace_map.find(key);
    if (mapped == plan.options.tablespace_map.end()) continue;
    if (is_in_place(space)) {
      throw UsageError(
          format("{} is in the data directory itself, and cannot be mapped", words(space)),
          "leave it out of --tablespace-map");
    }
    place = mapped->second;
    unused.erase(key);
  }
  return place.lexically_normal();
}

constexpr std::string_view kWalPath = "pg_wal";

/// Where pg_wal leads in the directory that is restored over. It stays so: as a directory it would
/// fill the disk of the data. Empty: it is no link, or one to a place in the data directory.
fs::path wal_link_to_keep(RestorePlan& plan) {
  const fs::path link = plan.data_directory / kWalPath;
  const auto status = stat_if_exists(link);
  if (!status || !S_ISLNK(status->st_mode)) return {};
  const fs::path target = (plan.data_directory / fs::read_symlink(link)).lexically_normal();
  if (is_within(target, plan.data_directory)) return {};
  const auto refuse = [&](std::string_view why) {
    throw UsageError(format("\"{}\" is a link to \"{}\", {}", link.native(), target.native(), why),
                     "say where WAL is to be with --link-map=pg_wal=DIR, or remove the link: then "
                     "pg_wal becomes "
                     "a directory on the disk of the data; nothing was touched");
  };
  std::error_code ignored;
  if (!fs::is_directory(target, ignored)) refuse("which is not there: is its disk mounted?");
  if (plan.options.copy) {
    refuse("and this is not the stanza's own pg-path, so what is there may be another cluster's");
  }
  plan.notes.push_back(format("pg_wal stays a link to \"{}\"", target.native()));
  return target;
}

}  // namespace

void place_tablespaces(RestorePlan& plan) {
  std::set<std::string> unused;
  for (const auto& [key, place] : plan.options.tablespace_map) unused.insert(key);
  for (const repo::TablespaceInfo& space : plan.backup.tablespaces) {
    const fs::path place = place_of(plan, space, unused);
    if (is_in_place(space)) continue;
    if (!place.is_absolute()) {
      throw UsageError(
          format("the place of {} is not an absolute path: \"{}\"", words(space), place.native()));
    }
    plan.tablespaces.push_back({space.oid, space.name, place});
  }
  if (!unused.empty()) {
    throw UsageError(format("--tablespace-map names \"{}\", which is not a tablespace of backup {}",
                            *unused.begin(), plan.backup.label),
                     "name a tablespace by its oid, its name or its old directory; \"restore "
                     "--dry-run\" lists them");
  }
}

LinkPlacer::LinkPlacer(RestorePlan& plan, Places& places) : plan_(plan), places_(places) {
  for (const auto& [path, place] : plan.options.link_map) unused_.insert(path);
}

void LinkPlacer::look_at(const repo::ManifestEntry& entry) {
  const auto mapped = plan_.options.link_map.find(entry.path);
  const bool was_link = entry.type != repo::EntryType::link && !entry.target.empty();
  LinkPlan link{entry.path, was_link ? entry.target : "", {}, entry.type == repo::EntryType::file};
  const fs::path& data = plan_.data_directory;
  if (mapped != plan_.options.link_map.end()) {
    unused_.erase(entry.path);
    if (entry.path.starts_with("pg_tblspc/")) {
      throw UsageError(format("--link-map names \"{}\", which is in a tablespace", entry.path),
                       "tablespaces are placed with --tablespace-map");
    }
    link.location = fs::path(mapped->second).lexically_normal();
  } else if (was_link && plan_.options.link_all) {
    link.location = (data / fs::path(entry.path).parent_path() / entry.target).lexically_normal();
    // A link within the data directory leads to what is restored there anyway.
    if (is_within(link.location, data)) link.location.clear();
  } else if (entry.path == kWalPath && (plan_.compares || plan_.resumes)) {
    link.location = wal_link_to_keep(plan_);
  }
  if (link.location.empty() && !was_link) return;
  if (!link.location.empty()) {
    if (!link.location.has_filename()) link.location = link.location.parent_path();
    places_.add_link(link);
  }
  plan_.links.push_back(std::move(link));
  if (!plan_.links.back().location.empty()) require_apart(places_of_restore(plan_));
}

void LinkPlacer::finish() {
  if (unused_.empty()) return;
  throw UsageError(
      format("--link-map names \"{}\", which is not a file or directory of backup {}",
             *unused_.begin(), plan_.backup.label),
      "name it as it is below the data directory, such as pg_wal; \"restore --dry-run\" lists the "
      "links of the backup");
}

}  // namespace pgcairn::engine
