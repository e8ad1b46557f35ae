#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/file.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>

namespace pgcairn {

/// What a path and all that is below it come to. Links are not followed, mount points not entered.
struct TreeSize {
  std::uint64_t files = 0;       // and links and the like, and directories
  std::uint64_t bytes = 0;       // their sizes
  std::uint64_t disk_bytes = 0;  // that removing it would free
};

/// A directory that is held open, and what is below it. Nothing is reached through a symbolic link
/// or "..", not even when somebody puts a link in the place of a directory meanwhile: the kernel
/// resolves each path below the open directory (openat2), or, where it cannot, each part is opened
/// on its own.
///
/// Paths are relative to the directory, with '/' between parts; the empty one is the directory
/// itself. All functions throw SystemError, which names the whole path. Safe to use from several
/// threads.
class Beneath {
 public:
  /// How paths are resolved: `automatic` asks the kernel once; tests name one.
  enum class Way { automatic, kernel, parts };

  /// Opens `directory`, whose own path may lead through links: it is the caller's word.
  explicit Beneath(const fs::path& directory, Way way = Way::automatic);
  /// Opens the absolute path `directory`, in which no part is a link; nothing when it is absent.
  static std::optional<Beneath> open_real(const fs::path& directory);
  /// The same; makes what is missing of it. What root makes above it others may enter.
  static Beneath make_real(const fs::path& directory, mode_t mode);

  /// As it is named in errors.
  const fs::path& path() const { return path_; }

  /// Opens for reading, or a directory.
  Fd open(std::string_view path, int flags = O_RDONLY) const;
  std::optional<Fd> open_if_exists(std::string_view path, int flags = O_RDONLY) const;
  /// Opens or makes a regular file that has no other name, for writing.
  Fd open_to_write(std::string_view path, int flags, mode_t mode) const;
  /// Of what is at the path itself, be it a link; nothing when it is absent.
  std::optional<struct stat> status(std::string_view path) const;
  /// Names in a directory, sorted by byte value.
  std::vector<std::string> list(std::string_view path) const;
  /// Where the link at the path leads; nothing when there is none.
  std::optional<std::string> link_target(std::string_view path) const;
  /// A regular file, of at most 64 MiB.
  std::optional<Buffer> read_if_exists(std::string_view path) const;

  /// False when something has the name already.
  bool make_directory(std::string_view path, mode_t mode) const;
  /// False when something has the name already.
  bool make_link(std::string_view path, const std::string& target) const;
  /// Removes a file or link; false when it is absent.
  bool remove(std::string_view path) const;
  void rename(std::string_view from, std::string_view to) const;
  /// Writes a file that appears under its name only as a whole and durable; `finish` is called
  /// before it does.
  void replace(std::string_view path, Bytes content, mode_t mode,
               const std::function<void(const Fd&)>& finish = {}) const;
  /// Makes what a directory names durable.
  void sync(std::string_view path) const;

  TreeSize size_of_tree(std::string_view path) const;
  /// Removes a path and all that is below it, but mount points and the directories that lead to
  /// them. What was removed.
  TreeSize remove_tree(std::string_view path) const;

 private:
  Beneath(Fd fd, fs::path path, Way way);
  int open_raw(std::string_view path, int flags, mode_t mode) const;
  int open_by_parts(std::string_view path, int flags, mode_t mode) const;
  /// The directory that holds the path's last part; nothing when it is absent.
  std::optional<Fd> parent_if_exists(std::string_view path) const;
  Fd parent(std::string_view path, std::string_view verb) const;
  [[noreturn]] void failed(std::string_view verb, std::string_view path, int error_number) const;
  fs::path whole(std::string_view path) const;

  fs::path path_;
  Fd fd_;
  Way way_;
};

/// Absolute paths at which something is mounted, as this process sees them, sorted.
std::vector<std::string> mount_points();
/// The same from the text of /proc/self/mountinfo.
std::vector<std::string> parse_mount_points(std::string_view mountinfo);

}  // namespace pgcairn
