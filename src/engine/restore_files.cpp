#include "restore_files.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

namespace pgcairn::engine {

namespace {

constexpr std::string_view kTablespaces = "pg_tblspc/";
constexpr std::string_view kPlaces = "Parts of it are in:";

}  // namespace

bool is_inside(const fs::path& path, const fs::path& directory) {
  const auto [at, end] =
      std::mismatch(directory.begin(), directory.end(), path.begin(), path.end());
  return at == directory.end();
}

std::string tablespace_directory(const repo::BackupInfo& backup) {
  return format("PG_{}_{}", backup.pg_version, backup.catalog_version);
}

bool is_unfinished_restore(const fs::path& data_directory) {
  if (stat_if_exists(data_directory / kRestoreMark)) {
    // With pg_control in its place the restore was complete, and the server may have run since.
    return !stat_if_exists(data_directory / "global/pg_control");
  }
  const auto status = stat_if_exists(data_directory);
  if (!status || !S_ISDIR(status->st_mode)) return false;
  // It may have died before the mark had its name.
  const auto names = list_directory(data_directory);
  return !names.empty() && std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return name.starts_with(kRestoreMark) && name.ends_with(kTemporarySuffix);
  });
}

void mark_unfinished(const fs::path& data_directory, const RestorePlan& plan) {
  std::string text = format(
      "pgcairn is restoring backup {} of stanza {} into this directory, or was interrupted while "
      "it did.\n"
      "The server cannot be started from it. Run the same restore again to finish it.\n"
      "{}\n",
      plan.backup.label, plan.stanza, kPlaces);
  // A mark beside a pg_control is of a restore that was finished: its places may be anybody's by
  // now.
  std::vector<fs::path> places;
  if (plan.resumes) places = marked_places(data_directory);
  std::vector<fs::path> ours = outside_places(plan);
  // So that who finishes this restore empties them, when their links are gone already.
  ours.insert(ours.end(), plan.abandoned.begin(), plan.abandoned.end());
  for (const fs::path& place : ours) {
    if (std::find(places.begin(), places.end(), place) == places.end()) places.push_back(place);
  }
  for (const fs::path& place : places) text += escape_bytes(place.native()) + "\n";
  write_file_atomically(data_directory / kRestoreMark, as_bytes(text), 0600);
}

std::vector<fs::path> marked_places(const fs::path& data_directory) {
  std::vector<fs::path> places;
  const auto mark = read_file_if_exists(data_directory / kRestoreMark);
  if (!mark) return places;
  bool below = false;
  for (const std::string& line : split(as_text(*mark), '\n')) {
    if (below && !line.empty()) places.emplace_back(unescape_bytes(line));
    below |= line == kPlaces;
  }
  return places;
}

std::vector<fs::path> outside_places(const RestorePlan& plan) {
  std::vector<fs::path> places;
  for (const TablespacePlan& space : plan.tablespaces)
    places.push_back(space.location / tablespace_directory(plan.backup));
  for (const LinkPlan& link : plan.links) {
    if (!link.location.empty()) places.push_back(link.location);
  }
  if (plan.outside_files > 0) places.push_back(plan.options.config_to);
  return places;
}

void unmark_unfinished(const fs::path& data_directory) {
  const fs::path mark = data_directory / kRestoreMark;
  if (::unlink(mark.c_str()) != 0)
    throw SystemError(format("cannot remove \"{}\"", mark.native()), errno);
  fsync_directory(data_directory);
}

std::vector<fs::path> wiped(const RestorePlan& plan) {
  std::vector<fs::path> paths;
  for (const std::string& name : list_directory(plan.data_directory)) {
    if (name != kRestoreMark && name != "lost+found") paths.push_back(plan.data_directory / name);
  }
  for (const fs::path& place : marked_places(plan.data_directory)) {
    const auto below = contents(place);
    paths.insert(paths.end(), below.begin(), below.end());
  }
  return paths;
}

std::vector<fs::path> contents(const fs::path& place) {
  const auto status = stat_if_exists(place);
  if (!status) return {};
  if (!S_ISDIR(status->st_mode)) return {place};
  std::vector<fs::path> paths;
  for (const std::string& name : list_directory(place)) {
    if (name != "lost+found") paths.push_back(place / name);
  }
  return paths;
}

Places::Places(const RestorePlan& plan)
    : data_directory_(plan.data_directory), config_directory_(plan.options.config_to) {
  for (const TablespacePlan& space : plan.tablespaces)
    add_link(format("{}{}", kTablespaces, space.oid), space.location);
  for (const LinkPlan& link : plan.links) {
    if (!link.location.empty()) add_link(link.path, link.location);
  }
}

void Places::add_link(const std::string& path, const fs::path& location) {
  links_.insert_or_assign(path, location);
}

/// The innermost link that `path` is or stands below.
const std::pair<const std::string, fs::path>* Places::link_above(std::string_view path) const {
  if (links_.empty()) return nullptr;
  for (std::string_view part = path; !part.empty();) {
    const auto found = links_.find(part);
    if (found != links_.end()) return &*found;
    const std::size_t slash = part.rfind('/');
    part = slash == std::string_view::npos ? std::string_view{} : part.substr(0, slash);
  }
  return nullptr;
}

bool Places::has(std::string_view path) const {
  return !repo::is_outside(path) || !config_directory_.empty();
}

const fs::path& Places::root_of(std::string_view path) const {
  if (repo::is_outside(path)) return config_directory_;
  const auto* const link = link_above(path);
  return link == nullptr ? data_directory_ : link->second;
}

fs::path Places::of(std::string_view path) const {
  if (repo::is_outside(path)) return config_directory_ / path.substr(1);
  const auto* const link = link_above(path);
  if (link == nullptr) return data_directory_ / path;
  if (link->first.size() == path.size()) return link->second;
  return link->second / path.substr(link->first.size() + 1);
}

std::optional<fs::path> Places::link_target(std::string_view path) const {
  const auto found = links_.find(path);
  if (found == links_.end()) return std::nullopt;
  return found->second;
}

Owners::Owners(const fs::path& data_directory) : root_(::geteuid() == 0) {
  const auto status = stat_if_exists(data_directory);
  otherwise_uid_ = status ? status->st_uid : ::geteuid();
  otherwise_gid_ = status ? status->st_gid : ::getegid();
}

uid_t Owners::uid(const std::string& name) {
  const auto known = users_.find(name);
  if (known != users_.end()) return known->second;
  const passwd* const found = ::getpwnam(name.c_str());
  if (found == nullptr)
    log_warn(
        format("this host has no user \"{}\": its files get the data directory's owner", name));
  return users_.emplace(name, found != nullptr ? found->pw_uid : otherwise_uid_).first->second;
}

gid_t Owners::gid(const std::string& name) {
  const auto known = groups_.find(name);
  if (known != groups_.end()) return known->second;
  const group* const found = ::getgrnam(name.c_str());
  if (found == nullptr)
    log_warn(
        format("this host has no group \"{}\": its files get the data directory's group", name));
  return groups_.emplace(name, found != nullptr ? found->gr_gid : otherwise_gid_).first->second;
}

void Owners::apply(const Fd& fd, const repo::ManifestEntry& entry, const fs::path& path) {
  // Looking is free; a change has to be written.
  const struct stat status = stat_of(fd, path);
  if (root_) {
    const uid_t user = uid(entry.user);
    const gid_t group = gid(entry.group);
    if ((status.st_uid != user || status.st_gid != group) && ::fchown(fd.get(), user, group) != 0)
      throw SystemError(format("cannot change the owner of \"{}\"", path.native()), errno);
  }
  if ((status.st_mode & 07777) != entry.mode && ::fchmod(fd.get(), entry.mode) != 0)
    throw SystemError(format("cannot change the mode of \"{}\"", path.native()), errno);
}

void Owners::apply_to_directory(const repo::ManifestEntry& entry, const fs::path& path) {
  repo::ManifestEntry made = entry;
  if (!root_) made.mode |= S_IRWXU;  // or nothing could be put into it
  apply(open_file(path, O_RDONLY | O_DIRECTORY), made, path);
}

}  // namespace pgcairn::engine
