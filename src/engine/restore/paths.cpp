#include "restore/paths.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <cerrno>

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

namespace pgcairn::engine {

bool is_inside(const fs::path& path, const fs::path& directory) {
  const auto [at, end] =
      std::mismatch(directory.begin(), directory.end(), path.begin(), path.end());
  return at == directory.end();
}

std::string original_location(const repo::BackupMarker& backup, std::uint32_t oid) {
  for (const repo::TablespaceInfo& space : backup.tablespaces) {
    if (space.oid == oid) return space.location;
  }
  return {};
}

std::vector<fs::path> outside_places(const RestorePlan& plan) {
  std::vector<fs::path> places;
  for (const TablespacePlan& space : plan.tablespaces)
    places.push_back(space.location / tablespace_directory(plan.backup));
  for (const LinkPlan& link : plan.links) {
    if (!link.location.empty()) places.push_back(link.location);
  }
  if (plan.uses_config_to) places.push_back(plan.options.config_to);
  return places;
}

std::vector<Place> wiped(const RestorePlan& plan, Roots& roots) {
  std::vector<Place> gone;
  for (const std::string& name : roots.get(plan.data_directory).list("")) {
    if (name != kRestoreMark && name != kLostAndFound) gone.push_back({plan.data_directory, name});
  }
  // Trees are removed without what is mounted in them.
  for (const auto* places : {&plan.cluster_mounts, &plan.marked}) {
    for (const fs::path& place : *places) {
      const auto below = roots.contents(place);
      gone.insert(gone.end(), below.begin(), below.end());
    }
  }
  return gone;
}

namespace {

std::optional<uid_t> find_user(const std::string& name) {
  // Backups name users by number where their host had no name for them.
  if (is_digits(name)) return static_cast<uid_t>(parse_u64(name).value_or(0));
  const passwd* const found = ::getpwnam(name.c_str());
  return found == nullptr ? std::nullopt : std::optional(found->pw_uid);
}

std::optional<gid_t> find_group(const std::string& name) {
  if (is_digits(name)) return static_cast<gid_t>(parse_u64(name).value_or(0));
  const group* const found = ::getgrnam(name.c_str());
  return found == nullptr ? std::nullopt : std::optional(found->gr_gid);
}

gid_t group_of(uid_t user, gid_t otherwise) {
  const passwd* const found = ::getpwuid(user);
  return found == nullptr ? otherwise : found->pw_gid;
}

}  // namespace

void decide_owner(RestorePlan& plan, const repo::ManifestHeader& header) {
  RestoreOwner& owner = plan.owner;
  owner.was_user = header.user;
  owner.was_group = header.group;
  // 0750 is what initdb -g sets; a server that finds more than that does not start.
  owner.directory_mode = (header.directory_mode & 0057U) == 0050U ? 0750 : 0700;
  owner.changes = ::geteuid() == 0;
  if (!owner.changes) return;
  const auto there = stat_if_exists(plan.data_directory / ".");
  const bool holds_cluster = plan.compares || plan.resumes;
  const auto user = find_user(header.user);
  const bool known = user && *user != 0;
  if (there && there->st_uid != 0 && (holds_cluster || !known)) {
    owner.uid = there->st_uid;
    owner.gid = there->st_gid;
  } else if (known) {
    owner.uid = *user;
    owner.gid = find_group(header.group).value_or(group_of(*user, 0));
    if (is_digits(header.user)) {
      plan.notes.push_back(
          format("the owner of the cluster had no name: the restored files belong to the number {}",
                 header.user));
    }
  } else {
    throw UsageError(
        format("cannot determine who is to own the restored cluster: in backup {} it is user "
               "\"{}\", {}",
               plan.backup.label, escape_bytes(header.user),
               user ? "and PostgreSQL does not run as root" : "whom this host does not have"),
        format("create the directory for the server's user first (install -d -m 700 -o USER "
               "\"{}\"), or run the restore as that user; nothing was touched",
               plan.data_directory.native()));
  }
}

mode_t restored_mode(const repo::ManifestEntry& entry, const RestoreOwner& owner) {
  const bool own = entry.user == owner.was_user && entry.group == owner.was_group;
  const mode_t least = entry.type == repo::EntryType::directory ? 0700 : 0600;
  // Programs of other users may read the server's configuration: psql finds its port there.
  const mode_t most = repo::is_outside(entry.path) ? 0755 : 0750;
  return (entry.mode & (own ? most : 0700U)) | least;
}

void own(const Fd& fd, mode_t mode, const RestoreOwner& owner, const fs::path& path) {
  // Looking is free; a change has to be written.
  const struct stat status = stat_of(fd, path);
  if (owner.changes && (status.st_uid != owner.uid || status.st_gid != owner.gid) &&
      ::fchown(fd.get(), owner.uid, owner.gid) != 0)
    throw SystemError(format("cannot change the owner of \"{}\"", path.native()), errno);
  if ((status.st_mode & 07777) != mode && ::fchmod(fd.get(), mode) != 0)
    throw SystemError(format("cannot change the mode of \"{}\"", path.native()), errno);
}

}  // namespace pgcairn::engine
