#include "posix/directory_io.hpp"

#include <pgcairn/common/account.hpp>
#include <pgcairn/common/durable.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/driver.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace pgcairn::storage {

namespace {

// Longer than any put takes and than any file system keeps a new directory in memory only.
constexpr std::int64_t kYoungSeconds = 10 * 60;
constexpr std::int64_t kAbandonedSeconds = 24 * 60 * 60;

[[noreturn]] void failed(std::string_view verb, const fs::path& path, int error_number) {
  throw SystemError(format("cannot {} \"{}\"", verb, path.native()), error_number);
}

/// What the system's calls take: the root itself is ".".
const char* name_of(const fs::path& below) {
  return below.empty() ? "." : below.c_str();
}

/// Owns one open directory.
class Directory {
 public:
  Directory(const Root& root, const fs::path& below) {
    const int fd = ::openat(root.fd(), name_of(below), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    stream_ = ::fdopendir(fd);
    if (stream_ == nullptr) ::close(fd);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() {
    if (stream_ != nullptr) ::closedir(stream_);
  }
  explicit operator bool() const { return stream_ != nullptr; }

  /// The next entry; null at the end.
  const dirent* next(const fs::path& path) {
    errno = 0;
    const dirent* entry = ::readdir(stream_);
    if (entry == nullptr && errno != 0) failed("list", path, errno);
    return entry;
  }

 private:
  DIR* stream_ = nullptr;
};

bool can_be_in_key(std::string_view name) {
  return !name.starts_with('.') &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string_view::npos;
}

bool is_directory_entry(const Root& root, const fs::path& directory, const dirent& entry) {
  if (entry.d_type == DT_DIR) return true;
  if (entry.d_type != DT_UNKNOWN && entry.d_type != DT_LNK) return false;
  const auto status = status_of(root, directory / entry.d_name);
  return status && S_ISDIR(status->st_mode);
}

}  // namespace

bool Root::hold() {
  std::lock_guard lock(mutex_);
  if (fd_) return true;
  // O_PATH: an administrator's root may be closed to those who may only pass through it.
  Fd fd(::open(path_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return false;
  if (!fd) failed("open", path_, errno);
  const struct stat status = stat_of(fd, path_);
  device_ = status.st_dev;
  inode_ = status.st_ino;
  fd_ = std::move(fd);
  number_ = fd_.get();
  return true;
}

void Root::require_in_place() const {
  std::lock_guard lock(mutex_);
  if (!fd_) return;
  struct stat status {};
  const bool there = ::stat(path_.c_str(), &status) == 0;
  if (!there && errno != ENOENT) failed("examine", path_, errno);
  if (there && status.st_dev == device_ && status.st_ino == inode_) return;
  throw Error(
      format("cannot rely on \"{}\": it is no longer the directory that it was", path_.native()),
      "mount the file system of the repository again");
}

std::optional<struct stat> status_of(const Root& root, const fs::path& below, int flags) {
  struct stat status {};
  if (::fstatat(root.fd(), name_of(below), &status, flags) == 0) return status;
  if (errno == ENOENT) return std::nullopt;
  failed("examine", root.whole(below), errno);
}

std::optional<Fd> open_if_exists(const Root& root, const fs::path& below, int flags) {
  Fd fd(::openat(root.fd(), name_of(below), flags | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) failed("open", root.whole(below), errno);
  return fd;
}

std::optional<std::vector<Entry>> scan_directory(const Root& root, const fs::path& below) {
  Directory directory(root, below);
  const fs::path path = root.whole(below);
  if (!directory) {
    if (errno == ENOENT) return std::nullopt;
    failed("list", path, errno);
  }
  std::vector<Entry> entries;
  while (const dirent* found = directory.next(path)) {
    if (!can_be_in_key(found->d_name)) continue;
    Entry entry = found->d_name;
    if (is_directory_entry(root, below, *found)) entry += '/';
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

bool sync_directory_if_exists(const Root& root, const fs::path& below) {
  const auto fd = open_if_exists(root, below, O_RDONLY | O_DIRECTORY);
  if (!fd) return false;
  sync_directory(*fd, root.whole(below));
  return true;
}

bool is_young_directory(const Root& root, const fs::path& below) {
  struct statx status {};
  if (::statx(root.fd(), name_of(below), 0, STATX_BTIME, &status) != 0 ||
      (status.stx_mask & STATX_BTIME) == 0) {
    return true;  // who does not know must assume it
  }
  return std::int64_t{std::time(nullptr)} - status.stx_btime.tv_sec < kYoungSeconds;
}

std::optional<Unfinished> Unfinished::create(const Root& root, const fs::path& directory,
                                             mode_t mode) {
  fs::path path = directory / format(".{}{}", random_id().substr(0, 16), kTemporarySuffix);
  Fd fd(::openat(root.fd(), path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) failed("create a file in", root.whole(directory), errno);
  Unfinished file(root, std::move(path), std::move(fd));
  const auto parent = status_of(root, directory);
  if (!parent) return std::nullopt;
  give_to_owner(*parent, file.fd_, root.whole(file.path_));
  return file;
}

Unfinished::Unfinished(Unfinished&& other) noexcept
    : root_(other.root_), path_(std::exchange(other.path_, {})), fd_(std::move(other.fd_)) {}

Unfinished::~Unfinished() {
  if (!path_.empty()) ::unlinkat(root_->fd(), path_.c_str(), 0);
}

Unfinished::Outcome Unfinished::publish(const fs::path& target) {
  const int root = root_->fd();
  if (::renameat2(root, path_.c_str(), root, target.c_str(), RENAME_NOREPLACE) == 0) {
    path_.clear();
    return Outcome::published;
  }
  if (errno == EEXIST) return Outcome::exists;
  if (errno == EINVAL || errno == ENOSYS) return publish_by_link(target);
  failed("rename a file to", root_->whole(target), errno);
}

/// NFS has no rename that spares its target, but link() does.
Unfinished::Outcome Unfinished::publish_by_link(const fs::path& target) {
  if (::linkat(root_->fd(), path_.c_str(), root_->fd(), target.c_str(), 0) == 0)
    return Outcome::published;
  const int error_number = errno;
  if (error_number == EPERM || error_number == EOPNOTSUPP || error_number == ENOSYS)
    return Outcome::unsupported;
  if (error_number != EEXIST) failed("link a file to", root_->whole(target), error_number);
  // When the server's answer is lost, the client repeats the call, which then meets its own
  // success.
  const auto ours = status_of(*root_, path_);
  const auto theirs = status_of(*root_, target);
  const bool same =
      ours && theirs && ours->st_ino == theirs->st_ino && ours->st_dev == theirs->st_dev;
  return same ? Outcome::published : Outcome::exists;
}

void sweep_unfinished(const Root& root, const fs::path& directory) {
  Directory entries(root, directory);
  if (!entries) return;
  while (const dirent* entry = entries.next(root.whole(directory))) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with('.') || !name.ends_with(kTemporarySuffix)) continue;
    const fs::path path = directory / name;
    const auto status = status_of(root, path);
    if (status && std::int64_t{std::time(nullptr)} - status->st_mtim.tv_sec > kAbandonedSeconds)
      ::unlinkat(root.fd(), path.c_str(), 0);
  }
}

std::string file_system_name(const Root& root) {
  struct Known {
    std::uint32_t magic;
    std::string_view name;
  };
  // statfs(2)
  static constexpr std::array known{
      Known{0x6969, "nfs"},      Known{0xff534d42, "cifs"},  Known{0xfe534d42, "smb2"},
      Known{0x65735546, "fuse"}, Known{0x4d44, "vfat"},      Known{0x2011bab0, "exfat"},
      Known{0x01021997, "9p"},   Known{0x01021994, "tmpfs"}, Known{0xef53, "ext4"}};
  struct statfs status {};
  if (::statfs(root.path().c_str(), &status) != 0) return "unknown";
  const auto magic = static_cast<std::uint32_t>(status.f_type);
  for (const Known& one : known) {
    if (one.magic == magic) return std::string(one.name);
  }
  return format("type {:#x}", magic);
}

bool is_transient(int error_number) {
  return error_number == ESTALE || error_number == EAGAIN || error_number == ETIMEDOUT ||
         error_number == ENOLCK;
}

}  // namespace pgcairn::storage
