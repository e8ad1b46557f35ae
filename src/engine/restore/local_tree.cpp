#include "restore/local_tree.hpp"

#include "restore/writer.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <cerrno>

namespace pgcairn::engine {

namespace {

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}
std::string_view name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

bool is_of_type(const struct stat& status, repo::EntryType type) {
  switch (type) {
    case repo::EntryType::file:
      return S_ISREG(status.st_mode);
    case repo::EntryType::directory:
      return S_ISDIR(status.st_mode);
    case repo::EntryType::link:
      break;
  }
  return S_ISLNK(status.st_mode);
}

}  // namespace

LocalTree::LocalTree(const RestorePlan& plan, const Places& places, Roots& roots, Visit extra)
    : plan_(plan), places_(places), roots_(roots), extra_(std::move(extra)) {
  enter("", {plan.data_directory, {}}, true, true);
}

void LocalTree::enter(const std::string& path, const Place& directory, bool is_there, bool list) {
  levels_.push_back({path, directory, is_there, {}, 0});
  const auto status = list ? roots_.status(directory) : std::nullopt;
  if (status && S_ISDIR(status->st_mode))
    levels_.back().names = roots_.get(directory.root).list(directory.path);
}

bool LocalTree::is_mounted(const Level& level) {
  if (level.directory.path.empty()) return true;  // a root may be
  const fs::path real = roots_.get(level.directory.root).path() / level.directory.path;
  return std::find(plan_.cluster_mounts.begin(), plan_.cluster_mounts.end(), real) !=
         plan_.cluster_mounts.end();
}

void LocalTree::tell(const Level& level, const std::string& name) {
  if (name == kLostAndFound && is_mounted(level)) return;
  if (level.path.empty() && name == kRestoreMark) return;
  if (level.path == "global" && name == "pg_control") return;
  const auto& excluded = plan_.backup.excluded;  // by wish: the backup has nothing to put there
  const std::string path = level.path.empty() ? name : format("{}/{}", level.path, name);
  if (std::find(excluded.begin(), excluded.end(), path) != excluded.end()) return;
  const Place place = level.directory / name;
  for (const fs::path& other : outside_places(plan_)) {
    if (is_inside(other, place.whole())) return;  // a tablespace inside the data directory
  }
  extra_(place);
}

void LocalTree::pass_until(Level& level, std::string_view name) {
  while (level.next < level.names.size() && level.names[level.next] < name)
    tell(level, level.names[level.next++]);
  if (level.next < level.names.size() && level.names[level.next] == name) ++level.next;
}

void LocalTree::leave() {
  Level level = std::move(levels_.back());
  levels_.pop_back();
  for (; level.next < level.names.size(); ++level.next) tell(level, level.names[level.next]);
}

bool LocalTree::leads_elsewhere(const Place& place, const fs::path& target) {
  const Beneath* const root = roots_.find(place.root);
  if (root == nullptr || !root->status(place.path)) return false;
  return root->link_target(place.path) != target.native();
}

std::optional<struct stat> LocalTree::look_at(const repo::ManifestEntry& entry) {
  const Place where = places_.of(entry.path);
  if (entry.path == kControlPath) return std::nullopt;  // out of order, and always written
  const std::string_view parent = parent_of(entry.path);
  while (levels_.size() > 1 && levels_.back().path != parent) leave();
  Level& level = levels_.back();
  const Place own = level.directory / name_of(entry.path);
  pass_until(level, name_of(entry.path));

  const auto linked = places_.link_target(entry.path);
  const bool is_there = level.is_there;
  if (is_there && linked && leads_elsewhere(own, *linked)) extra_(own);
  if (entry.type == repo::EntryType::link) {
    // Of a tablespace's directory nothing is ours but what the manifest names below it.
    enter(entry.path, where, true, false);
    return std::nullopt;
  }
  // What is linked to is apart from the directory that the link is in.
  auto status = is_there || linked ? roots_.status(where) : std::nullopt;
  if (status && !is_of_type(*status, entry.type)) {
    extra_(where);
    status.reset();
  }
  if (entry.type == repo::EntryType::directory)
    enter(entry.path, where, status.has_value(), status.has_value());
  return status;
}

void LocalTree::finish() {
  while (!levels_.empty()) leave();
}

}  // namespace pgcairn::engine
