#include "local_tree.hpp"

#include "restore_writer.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <cerrno>

namespace pgcairn::engine {

namespace {

constexpr std::string_view kLostAndFound = "lost+found";

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

LocalTree::LocalTree(const RestorePlan& plan, const Places& places, Visit extra)
    : plan_(plan), places_(places), extra_(std::move(extra)) {
  enter("", plan.data_directory, true);
}

void LocalTree::enter(const std::string& path, const fs::path& directory, bool list) {
  levels_.push_back({path, directory, {}, 0});
  const auto status =
      list ? stat_if_exists(path.empty() ? directory / "." : directory) : std::nullopt;
  if (status && S_ISDIR(status->st_mode)) levels_.back().names = list_directory(directory);
}

void LocalTree::tell(const Level& level, const std::string& name) {
  const bool at_root = level.path.empty() || places_.link_target(level.path);
  if (at_root && name == kLostAndFound) return;
  if (level.path.empty() && name == kRestoreMark) return;
  if (level.path == "global" && name == "pg_control") return;
  const fs::path path = level.directory / name;
  for (const fs::path& place : outside_places(plan_)) {
    // A tablespace inside the data directory.
    const auto [at, end] = std::mismatch(path.begin(), path.end(), place.begin(), place.end());
    if (at == path.end()) return;
  }
  extra_(path);
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

bool LocalTree::leads_elsewhere(const fs::path& path, const fs::path& target) const {
  const auto status = stat_if_exists(path);
  if (!status) return false;
  return !S_ISLNK(status->st_mode) || fs::read_symlink(path) != target;
}

std::optional<struct stat> LocalTree::look_at(const repo::ManifestEntry& entry) {
  const fs::path where = places_.of(entry.path);
  if (entry.path == kControlPath) return std::nullopt;  // out of order, and always written
  const std::string_view parent = parent_of(entry.path);
  while (levels_.size() > 1 && levels_.back().path != parent) leave();
  Level& level = levels_.back();
  const fs::path own = level.directory / name_of(entry.path);
  pass_until(level, name_of(entry.path));

  const auto linked = places_.link_target(entry.path);
  const bool is_tablespace = linked && entry.type == repo::EntryType::link;
  if (linked || entry.type == repo::EntryType::link) {
    if (leads_elsewhere(own, linked ? *linked : fs::path(entry.target))) extra_(own);
    // Of a tablespace's directory nothing is ours but what the manifest names below it.
    if (is_tablespace) enter(entry.path, *linked, false);
    if (!linked || is_tablespace) return std::nullopt;
  }
  auto status = stat_if_exists(where);
  if (status && !is_of_type(*status, entry.type)) {
    extra_(where);
    status.reset();
  }
  if (entry.type == repo::EntryType::directory) enter(entry.path, where, status.has_value());
  return status;
}

void LocalTree::finish() {
  while (!levels_.empty()) leave();
}

TreeSize tree_size(const fs::path& path) {
  constexpr std::uint64_t block_bytes = 512;  // of st_blocks
  TreeSize size;
  const auto status = stat_if_exists(path);
  if (!status) return size;
  size.files = 1;
  if (!S_ISDIR(status->st_mode)) {
    size.bytes = S_ISREG(status->st_mode) ? static_cast<std::uint64_t>(status->st_size) : 0;
    if (status->st_nlink == 1)
      size.disk_bytes = static_cast<std::uint64_t>(status->st_blocks) * block_bytes;
    return size;
  }
  for (const std::string& name : list_directory(path)) {
    const TreeSize below = tree_size(path / name);
    size.files += below.files;
    size.bytes += below.bytes;
    size.disk_bytes += below.disk_bytes;
  }
  return size;
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw SystemError(format("cannot remove \"{}\"", path.native()), error.value());
}

}  // namespace pgcairn::engine
