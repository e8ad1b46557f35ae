#include "stanza/manifest_paths.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <string_view>

namespace pgcairn::engine {

namespace {

constexpr std::string_view kTablespaceLinks = "pg_tblspc/";

}  // namespace

std::string tablespace_directory(const repo::BackupMarker& backup) {
  return format("PG_{}_{}", backup.pg_version, backup.catalog_version);
}

void require_placeable(const repo::ManifestEntry& entry, const std::string& stanza,
                       const repo::BackupMarker& backup) {
  const auto refuse = [&](std::string_view what) {
    throw DamagedError(repo::manifest_key(stanza, backup.label, 0), 0,
                       format("the manifest has {}: \"{}\"", what, escape_bytes(entry.path)),
                       "restore another backup with --set");
  };
  const std::string_view path = entry.path;
  if (!repo::is_outside(path) && (path == kRestoreMark || path.ends_with(kTemporarySuffix)))
    refuse("a name that only a restore makes");
  if (path == postgres::kWitnessFile) refuse("a name that only a backup makes");
  const auto linked = [&](std::string_view oid) {
    return std::any_of(backup.tablespaces.begin(), backup.tablespaces.end(),
                       [&](const repo::TablespaceInfo& space) {
                         return std::to_string(space.oid) == oid && space.location.starts_with('/');
                       });
  };
  std::string_view below = path;
  if (below.starts_with(kTablespaceLinks)) below.remove_prefix(kTablespaceLinks.size());
  const bool in_tablespaces = below.size() != path.size();
  const std::string_view oid = below.substr(0, below.find('/'));
  const bool is_space = in_tablespaces && linked(oid);
  if (entry.type == repo::EntryType::link && (!is_space || below != oid))
    refuse("a link that is not a tablespace of the backup's marker");
  if (!is_space) return;
  if (below == oid && entry.type != repo::EntryType::link)
    refuse("something other than a link for a tablespace of the marker");
  if (below == oid) return;
  below.remove_prefix(oid.size() + 1);
  if (below.substr(0, below.find('/')) != tablespace_directory(backup))
    refuse("a path that is not in the tablespace's directory of this PostgreSQL");
}

bool is_left_to_init_fork(std::string_view path, const std::set<std::string>& unlogged) {
  if (unlogged.empty()) return false;
  const auto relation = postgres::parse_relation_file(path.substr(path.rfind('/') + 1));
  return relation && relation->fork != postgres::RelationFile::Fork::init &&
         unlogged.contains(postgres::relation_path(path, *relation));
}

}  // namespace pgcairn::engine
