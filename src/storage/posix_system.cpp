#include "posix_system.hpp"

#include <pgcairn/common/account.hpp>
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

/// Owns one open directory.
class Directory {
 public:
  explicit Directory(const fs::path& path) : stream_(::opendir(path.c_str())) {}
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
  DIR* stream_;
};

bool can_be_in_key(std::string_view name) {
  return !name.starts_with('.') &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string_view::npos;
}

bool is_directory_entry(const fs::path& directory, const dirent& entry) {
  if (entry.d_type == DT_DIR) return true;
  if (entry.d_type != DT_UNKNOWN && entry.d_type != DT_LNK) return false;
  const auto status = status_of(directory / entry.d_name);
  return status && S_ISDIR(status->st_mode);
}

}  // namespace

std::optional<struct stat> status_of(const fs::path& path, int flags) {
  struct stat status {};
  if (::fstatat(AT_FDCWD, path.c_str(), &status, flags) == 0) return status;
  if (errno == ENOENT) return std::nullopt;
  failed("examine", path, errno);
}

std::optional<std::vector<Entry>> scan_directory(const fs::path& path) {
  Directory directory(path);
  if (!directory) {
    if (errno == ENOENT) return std::nullopt;
    failed("list", path, errno);
  }
  std::vector<Entry> entries;
  while (const dirent* found = directory.next(path)) {
    if (!can_be_in_key(found->d_name)) continue;
    Entry entry = found->d_name;
    if (is_directory_entry(path, *found)) entry += '/';
    entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

bool sync_directory_if_exists(const fs::path& path) {
  const auto fd = open_if_exists(path, O_RDONLY | O_DIRECTORY);
  if (!fd) return false;
  fsync_file(*fd, path);
  return true;
}

bool is_young_directory(const fs::path& path) {
  struct statx status {};
  if (::statx(AT_FDCWD, path.c_str(), 0, STATX_BTIME, &status) != 0 ||
      (status.stx_mask & STATX_BTIME) == 0) {
    return true;  // who does not know must assume it
  }
  return std::int64_t{std::time(nullptr)} - status.stx_btime.tv_sec < kYoungSeconds;
}

std::optional<Unfinished> Unfinished::create(const fs::path& directory, mode_t mode) {
  fs::path path = directory / format(".{}{}", random_id().substr(0, 16), kTemporarySuffix);
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) failed("create a file in", directory, errno);
  Unfinished file(std::move(path), std::move(fd));
  if (!give_to_owner_of(directory, file.fd_, file.path_)) return std::nullopt;
  return file;
}

Unfinished::Unfinished(Unfinished&& other) noexcept
    : path_(std::exchange(other.path_, {})), fd_(std::move(other.fd_)) {}

Unfinished::~Unfinished() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

Unfinished::Outcome Unfinished::publish(const fs::path& target) {
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) {
    path_.clear();
    return Outcome::published;
  }
  if (errno == EEXIST) return Outcome::exists;
  if (errno == EINVAL || errno == ENOSYS) return publish_by_link(target);
  failed("rename a file to", target, errno);
}

/// NFS has no rename that spares its target, but link() does.
Unfinished::Outcome Unfinished::publish_by_link(const fs::path& target) {
  if (::link(path_.c_str(), target.c_str()) == 0) return Outcome::published;
  const int error_number = errno;
  if (error_number == EPERM || error_number == EOPNOTSUPP || error_number == ENOSYS)
    return Outcome::unsupported;
  if (error_number != EEXIST) failed("link a file to", target, error_number);
  // When the server's answer is lost, the client repeats the call, which then meets its own
  // success.
  const auto ours = status_of(path_);
  const auto theirs = status_of(target);
  const bool same =
      ours && theirs && ours->st_ino == theirs->st_ino && ours->st_dev == theirs->st_dev;
  return same ? Outcome::published : Outcome::exists;
}

void sweep_unfinished(const fs::path& directory) {
  Directory entries(directory);
  if (!entries) return;
  while (const dirent* entry = entries.next(directory)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with('.') || !name.ends_with(kTemporarySuffix)) continue;
    const fs::path path = directory / name;
    const auto status = status_of(path);
    if (status && std::int64_t{std::time(nullptr)} - status->st_mtim.tv_sec > kAbandonedSeconds)
      ::unlink(path.c_str());
  }
}

std::string file_system_name(const fs::path& path) {
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
  if (::statfs(path.c_str(), &status) != 0) return "unknown";
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
