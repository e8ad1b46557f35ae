#pragma once

#include <pgcairn/common/bytes.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/stat.h>

namespace pgcairn {

namespace fs = std::filesystem;

/// Owns one file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  /// Closes now and throws SystemError when that fails: the last chance of some file systems to
  /// report a lost write.
  void close(const fs::path& path);

 private:
  int fd_ = -1;
};

/// Opens or throws SystemError; O_CLOEXEC is added.
Fd open_file(const fs::path& path, int flags, mode_t mode = 0640);
/// The same, but an absent file is a value.
std::optional<Fd> open_if_exists(const fs::path& path, int flags);

/// Reads at `offset` until `out` is full or the file ends; the count read.
std::size_t read_at(const Fd& fd, MutableBytes out, std::uint64_t offset, const fs::path& path);
void write_at(const Fd& fd, Bytes bytes, std::uint64_t offset, const fs::path& path);
void write_all(const Fd& fd, Bytes bytes, const fs::path& path);
struct stat stat_of(const Fd& fd, const fs::path& path);
/// lstat; nothing when there is no such file.
std::optional<struct stat> stat_if_exists(const fs::path& path);
void fsync_file(const Fd& fd, const fs::path& path);
void fsync_directory(const fs::path& path);

/// The whole file; throws when it is longer than `limit`.
Buffer read_file(const fs::path& path, std::uint64_t limit = 64 * kMiB);
std::optional<Buffer> read_file_if_exists(const fs::path& path, std::uint64_t limit = 64 * kMiB);

/// Names in a directory (without "." and ".."), sorted by byte value. Throws SystemError when it
/// cannot be read.
std::vector<std::string> list_directory(const fs::path& path);

/// A file that appears under its name only as a whole: written beside it, fsynced, renamed,
/// directory fsynced. Leaving scope without commit() discards it.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path path, mode_t mode = 0640);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  const Fd& fd() const { return fd_; }
  void write(Bytes bytes) { write_all(fd_, bytes, temporary_); }
  /// Replaces what stands under the name.
  void commit();
  /// The same without making anything durable: for a file that is asked for again when a crash
  /// loses it.
  void publish();
  /// False, and nothing published, when the name exists already.
  bool commit_if_absent();

 private:
  void sync();
  fs::path path_;
  fs::path temporary_;
  Fd fd_;
  bool done_ = false;
};

void write_file_atomically(const fs::path& path, Bytes bytes, mode_t mode = 0640);

/// Names that end so are unfinished; readers of a directory pass over them.
inline constexpr std::string_view kTemporarySuffix = ".pgcairn.tmp";

/// The file in a data directory that says that a restore is not finished; no part of a cluster.
inline constexpr std::string_view kRestoreMark = "pgcairn.restore";

}  // namespace pgcairn
