#include "restore/directories.hpp"

#include "restore/apart.hpp"
#include "restore/delta.hpp"
#include "restore/mark.hpp"
#include "restore/paths.hpp"
#include "stanza/owner_names.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/postmaster.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace pgcairn::engine {

namespace {

/// stat: what links lead to; nothing when there is no such file.
std::optional<struct stat> target_if_exists(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return status;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw SystemError(format("cannot examine \"{}\"", path.native()), errno);
}

/// Throws where a link leads to nothing: a disk that is not mounted, most likely, and what is made
/// in its place would be elsewhere.
void require_no_dangling_link(const fs::path& path) {
  const auto status = stat_if_exists(path);
  if (!status || !S_ISLNK(status->st_mode) || target_if_exists(path)) return;
  std::error_code ignored;
  throw UsageError(format("\"{}\" is a symbolic link to \"{}\", which is not there", path.native(),
                          fs::read_symlink(path, ignored).native()),
                   "mount or create what it points to, or remove the link; nothing was touched");
}

bool is_empty_or_absent(const fs::path& directory) {
  require_no_dangling_link(directory);
  const auto status = target_if_exists(directory);
  if (!status) return true;
  if (!S_ISDIR(status->st_mode))
    throw UsageError(format("\"{}\" is not a directory", directory.native()),
                     "name another one with --pg-path; nothing was touched");
  const auto names = list_directory(directory);
  return names.empty() || (names.size() == 1 && names.front() == "lost+found");
}

/// A directory that is not empty is restored into only when asked for, and never another's.
void require_own_cluster(RestorePlan& plan, bool server_runs) {
  const fs::path& data = plan.data_directory;
  const Ownership found = ownership(data, plan.backup);
  if (server_runs && found.own && !plan.options.delta) {
    plan.options.delta = true;
    plan.note_first(
        format("\"{}\" is not empty: this is the plan with --delta, without which the restore is "
               "refused",
               data.native()));
  }
  if (plan.options.delta && !found.own) {
    throw Error(format("\"{}\" is not a data directory of the cluster that was backed up: {}",
                       data.native(), found.foreign_reason),
                "--delta keeps and removes files only in the cluster's own directory, or where a "
                "restore of "
                "pgcairn was interrupted; move the content away; nothing was touched");
  }
  if (plan.options.delta) return;
  throw Error(format("\"{}\" is not empty", data.native()),
              found.own
                  ? "give --delta to keep the files in it that match the backup and replace the "
                    "rest, or restore into another directory with --pg-path; nothing was touched"
                  : "move its content away, or restore into another directory with --pg-path; "
                    "nothing was touched");
}

/// A running server is never restored over; where nothing proves that there is none, only by name.
void require_no_server(const RestorePlan& plan, const postgres::ServerSigns& signs) {
  const std::string data = plan.data_directory.native();
  if (signs.life == postgres::ServerLife::stopped || plan.options.server_is_stopped) return;
  throw Error(format("cannot determine whether PostgreSQL runs in \"{}\": {}", data, signs.words),
              "make sure that no server uses this directory, in any container or on any host; then "
              "add --server-is-stopped; nothing was touched");
}

// What keeps this process from writing, as errno; 0: nothing.
int write_error(const fs::path& path, int rights) {
  return ::faccessat(AT_FDCWD, path.c_str(), rights, AT_EACCESS) == 0 ? 0 : errno;
}

bool is_ours(const struct stat& status) {
  return ::geteuid() == 0 || status.st_uid == ::geteuid();
}

[[noreturn]] void refuse(const fs::path& path, int error_number) {
  std::string hint = "run the restore as the owner, or as root; nothing was touched";
  if (error_number == EROFS)
    hint = "mount the file system for writing, or restore elsewhere; nothing was touched";
  if (error_number == EPERM) hint = "it may be immutable: see lsattr(1); nothing was touched";
  throw SystemError(format("the restore could not write to \"{}\"", path.native()), error_number,
                    std::move(hint));
}

/// A directory that the cluster is to have: there and of this user, or one that can be made.
void require_directory(const fs::path& path) {
  require_no_dangling_link(path);
  if (const auto status = target_if_exists(path)) {
    if (!S_ISDIR(status->st_mode)) {
      throw UsageError(
          format("\"{}\", where a directory is to be, is not a directory", path.native()),
          "move it away; nothing was touched");
    }
    if (!is_ours(*status)) {
      OwnerNames names;
      throw Error(
          format("\"{}\" belongs to user {}, and this restore runs as user {}", path.native(),
                 names.user(status->st_uid), names.user(::geteuid())),
          "PostgreSQL starts only from what its own user owns: change the owner, or run the "
          "restore as the owner or as root; nothing was touched");
    }
    const int error = write_error(path, W_OK | X_OK);
    if (error != 0 && error != EACCES) refuse(path, error);  // its mode we may change
    return;
  }
  fs::path above = path.parent_path();
  while (!stat_if_exists(above)) above = above.parent_path();
  require_no_dangling_link(above);
  const auto status = target_if_exists(above);
  if (status && !S_ISDIR(status->st_mode)) {
    throw UsageError(format("\"{}\" cannot be created: \"{}\" is not a directory", path.native(),
                            above.native()),
                     "name another place, or move the file away; nothing was touched");
  }
  if (const int error = write_error(above, W_OK | X_OK); error != 0) {
    throw SystemError(format("\"{}\" does not exist, and cannot be created in \"{}\"",
                             path.native(), above.native()),
                      error,
                      "create it, with this user as its owner, or mount the disk that it is on; "
                      "nothing was touched");
  }
}

fs::path nearest_existing(fs::path path) {
  while (!target_if_exists(path) && path.has_relative_path()) path = path.parent_path();
  return path;
}

/// What one file system has.
struct Device {
  dev_t number = 0;
  std::uint64_t free_files = 0;
  bool counts_files = false;  // btrfs and others have as many as they have space
  bool may_compress = false;
};

/// What does not fit; nothing: all does.
std::optional<std::string> shortage(const SpacePlan& space, const Room& freed,
                                    const Device& device) {
  const std::string directory = space.directories.front().native();
  if (space.needed_bytes > space.free_bytes + freed.bytes) {
    return format("the file system of \"{}\" has {} free, and the restore needs {}", directory,
                  format_size(space.free_bytes), format_size(space.needed_bytes));
  }
  if (device.counts_files && space.needed_files > device.free_files + freed.files) {
    return format(
        "the file system of \"{}\" has room for {} more files (inodes), and the restore needs {}",
        directory, device.free_files, space.needed_files);
  }
  return std::nullopt;
}

/// Throws what does not fit, or notes it where that is no proof.
void require_room(RestorePlan& plan, const SpacePlan& space, const Room& freed,
                  const Device& device) {
  const auto lack = shortage(space, freed, device);
  if (!lack) return;
  if (!plan.options.space_check) {
    plan.notes.push_back(*lack + "; --no-space-check restores anyway");
  } else if (device.may_compress) {
    plan.notes.push_back(*lack + " if it does not compress them; the restore goes on");
  } else {
    throw Error(
        *lack,
        "free space there, or restore elsewhere with --pg-path and --tablespace-map; where "
        "the files have large holes, --no-space-check restores anyway; nothing was touched");
  }
}

bool is_known(const std::vector<fs::path>& known, const fs::path& place) {
  return std::find(known.begin(), known.end(), place) != known.end();
}

/// A directory that was named for a tablespace is the tablespace's alone. Where it was before is
/// the cluster's own business.
void require_nothing_beside(const RestorePlan& plan, const TablespacePlan& space) {
  const bool copy = plan.options.copy && !plan.options.replaces;
  if (!copy && space.location == original_location(plan.backup, space.oid)) return;
  const auto status = target_if_exists(space.location);
  if (!status || !S_ISDIR(status->st_mode)) return;
  const std::vector<NamedPlace> places = places_of_restore(plan);
  for (const std::string& name : list_directory(space.location)) {
    const fs::path beside = space.location / name;
    const bool ours = name == kLostAndFound ||
                      std::any_of(places.begin(), places.end(), [&](const NamedPlace& place) {
                        return is_within(place.path, beside);
                      });
    if (ours) continue;
    throw Error(
        format("\"{}\", where tablespace {} (\"{}\") is to be, is not empty: it holds \"{}\"",
               space.location.native(), space.oid, space.name, name),
        "a tablespace has a directory of its own: move the content away, or name another "
        "directory with --tablespace-map or --tablespace-map-all; nothing was touched");
  }
}

/// Fills plan.resumes and plan.compares.
void look_at_directory(RestorePlan& plan) {
  const fs::path& data = plan.data_directory;
  const bool empty = is_empty_or_absent(data);
  const postgres::ServerSigns signs = postgres::look_for_server(data);
  const bool runs = signs.life == postgres::ServerLife::running;
  // A dry run shows what could be done once the server is stopped.
  if (runs && (!plan.options.dry_run || plan.options.server_is_stopped)) {
    throw Error(format("PostgreSQL is running in \"{}\": {}", data.native(), signs.words),
                "stop the server first; nothing was touched");
  }
  plan.resumes = is_unfinished_restore(data);
  if (!plan.resumes && !empty) require_own_cluster(plan, runs);
  if (!runs) require_no_server(plan, signs);
  plan.server_runs = runs;
  plan.compares = plan.options.delta && !empty;
}

}  // namespace

Fd lock_directory(Fd directory, const fs::path& path) {
  if (::flock(directory.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return directory;
  throw LockedError(format("another restore is running in \"{}\"", path.native()),
                    "wait until it ends, or stop it first; nothing was touched");
}

void require_as_planned(const RestorePlan& plan, const Fd& opened) {
  // By the open directory: its path may lead elsewhere by now.
  RestorePlan now;
  now.data_directory = format("/proc/self/fd/{}/.", opened.get());
  now.options = plan.options;
  now.backup = plan.backup;
  std::string reason;
  try {
    look_at_directory(now);
    if (now.resumes == plan.resumes && now.compares == plan.compares) return;
  } catch (const Error& error) {
    reason = ": " + error.message();
  }
  throw Error(format("\"{}\" has changed since the restore was planned{}",
                     plan.data_directory.native(), reason),
              "run the restore again; nothing was touched");
}

void check_directories(RestorePlan& plan) {
  const fs::path& data = plan.data_directory;
  const auto status = target_if_exists(data);
  if (status && S_ISDIR(status->st_mode) && write_error(data, R_OK) == 0)
    lock_directory(open_file(data, O_RDONLY | O_DIRECTORY), data);
  look_at_directory(plan);
  take_mark(plan);
}

void check_outside_places(const RestorePlan& plan) {
  std::vector<fs::path> known = plan.marked;
  if (plan.compares) {
    const auto own = own_places(plan);
    known.insert(known.end(), own.begin(), own.end());
  }
  for (const TablespacePlan& space : plan.tablespaces) {
    if (!is_known(known, space.location / tablespace_directory(plan.backup)))
      require_nothing_beside(plan, space);
  }
  for (const fs::path& place : outside_places(plan)) {
    if (is_known(known, place)) continue;
    const auto status = stat_if_exists(place);
    if (!status || (S_ISDIR(status->st_mode) && is_empty_or_absent(place))) continue;
    throw Error(
        S_ISDIR(status->st_mode)
            ? format("\"{}\", where a part of the cluster belongs, is not empty", place.native())
            : format("\"{}\", where a part of the cluster belongs, exists", place.native()),
        "move it away, or name another place with --tablespace-map, --tablespace-map-all, "
        "--link-map or --config-to; nothing was touched");
  }
}

void check_writable(const RestorePlan& plan) {
  require_directory(plan.data_directory);
  for (const TablespacePlan& space : plan.tablespaces) require_directory(space.location);
  for (const LinkPlan& link : plan.links) {
    if (link.location.empty()) continue;
    const auto status = target_if_exists(link.location);
    if (status && !S_ISDIR(status->st_mode)) {
      require_changeable(link.location, *status);
    } else {
      require_directory(link.location);
    }
  }
  if (plan.uses_config_to) require_directory(plan.options.config_to);
}

void require_changeable(const fs::path& path, const struct stat& status) {
  const int error = write_error(path, S_ISDIR(status.st_mode) ? W_OK | X_OK : W_OK);
  if (error == 0 || (error == EACCES && is_ours(status))) return;  // its mode we may change
  refuse(path, error);
}

void require_removable(const fs::path& path) {
  const auto status = stat_if_exists(path);
  if (!status || S_ISLNK(status->st_mode)) return;
  if (S_ISDIR(status->st_mode)) return require_changeable(path, *status);
  const int error = write_error(path, W_OK);
  if (error == EPERM || error == EROFS) refuse(path, error);
}

bool may_compress(std::uint32_t magic) {
  constexpr std::uint32_t btrfs = 0x9123683e;
  constexpr std::uint32_t zfs = 0x2fc12fc1;
  constexpr std::uint32_t bcachefs = 0xca451a4e;
  return magic == btrfs || magic == zfs || magic == bcachefs;
}

void check_space(RestorePlan& plan, DeviceRoom& freed) {
  std::vector<Device> devices;
  std::vector<SpacePlan> by_device;
  for (const SpacePlan& one : plan.space) {
    const fs::path existing = nearest_existing(one.directories.front());
    struct statvfs fs_status {};
    struct stat status {};
    struct statfs type {};
    if (::statvfs(existing.c_str(), &fs_status) != 0 || ::statfs(existing.c_str(), &type) != 0 ||
        ::stat(existing.c_str(), &status) != 0) {
      throw SystemError(format("cannot examine \"{}\"", existing.native()), errno);
    }
    const auto known = std::find_if(devices.begin(), devices.end(), [&](const Device& device) {
      return device.number == status.st_dev;
    });
    const auto at = static_cast<std::size_t>(known - devices.begin());
    if (known == devices.end()) {
      const bool compresses = may_compress(static_cast<std::uint32_t>(type.f_type));
      devices.push_back(
          {status.st_dev, fs_status.f_favail, fs_status.f_files > 0 && !compresses, compresses});
      by_device.push_back({{}, 0, std::uint64_t{fs_status.f_bavail} * fs_status.f_frsize, 0});
    }
    by_device[at].directories.push_back(one.directories.front());
    by_device[at].needed_bytes += one.needed_bytes;
    by_device[at].needed_files += one.needed_files;
  }
  plan.space = std::move(by_device);
  // What an interrupted restore has written is wiped, but how much that frees is not known: no
  // refusal on a guess.
  if (plan.resumes && !plan.compares) return;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    require_room(plan, plan.space[i], freed[devices[i].number], devices[i]);
  }
}

}  // namespace pgcairn::engine
