#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::storage {

/// The root of a repository, held open from the first time that it was there: all that happens
/// below it happens in that directory, even when its name leads elsewhere meanwhile (its file
/// system was unmounted, another one was mounted over it, somebody made it again).
///
/// Functions that take a Root and a path take the path below it; empty: the root itself.
class Root {
 public:
  explicit Root(fs::path path) : path_(std::move(path)) {}

  const fs::path& path() const { return path_; }
  /// For messages, and for what must go by name.
  fs::path whole(const fs::path& below) const { return below.empty() ? path_ : path_ / below; }
  /// Opens it unless it is held already; false: it is not there. Throws SystemError.
  bool hold();
  /// Of the directory that is held.
  int fd() const { return number_; }
  /// Throws Error when the root is held and its name does not lead to it any more.
  void require_in_place() const;

 private:
  fs::path path_;
  mutable std::mutex mutex_;
  Fd fd_;
  std::atomic<int> number_ = -1;  // of fd_, once it is open
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

/// Status of what the path leads to (a last link is followed unless `flags` has
/// AT_SYMLINK_NOFOLLOW); nothing when there is nothing. Throws SystemError.
std::optional<struct stat> status_of(const Root& root, const fs::path& below, int flags = 0);

/// Opens what is there, for reading; nothing when it is absent. Throws SystemError.
std::optional<Fd> open_if_exists(const Root& root, const fs::path& below, int flags);

/// A name in a directory that can be a part of a key. Directories end with '/', so that sorting
/// entries by bytes sorts the keys below them by bytes: "a-b" < "a/" < "a0".
using Entry = std::string;
/// Sorted; nothing when there is no such directory. Passes over names that cannot be in a key.
/// Throws SystemError when the directory cannot be read.
std::optional<std::vector<Entry>> scan_directory(const Root& root, const fs::path& below);

/// False when the directory is gone.
bool sync_directory_if_exists(const Root& root, const fs::path& below);

/// True when the directory came to be so lately that its entry in its parent may not be durable:
/// another process made it, and may have died before it synced the parent.
bool is_young_directory(const Root& root, const fs::path& below);

/// An unfinished object. Leaving scope removes it.
class Unfinished {
 public:
  /// Nothing when `directory` is gone.
  static std::optional<Unfinished> create(const Root& root, const fs::path& directory, mode_t mode);
  Unfinished(Unfinished&& other) noexcept;
  Unfinished& operator=(Unfinished&&) = delete;
  ~Unfinished();

  Fd& fd() { return fd_; }
  enum class Outcome { published, exists, unsupported };
  /// Gives the file the name `target` unless something has it. `unsupported`: the file system can
  /// do so neither by rename nor by link.
  Outcome publish(const fs::path& target);

 private:
  Unfinished(const Root& root, fs::path path, Fd fd)
      : root_(&root), path_(std::move(path)), fd_(std::move(fd)) {}
  Outcome publish_by_link(const fs::path& target);
  const Root* root_;
  fs::path path_;  // below the root; empty: nothing is left to remove
  Fd fd_;
};

/// Removes unfinished objects that nobody can be writing any more; best effort.
void sweep_unfinished(const Root& root, const fs::path& directory);

/// "nfs", "fuse" ...: what the root lies on, for messages.
std::string file_system_name(const Root& root);

/// Whether trying again may help (a server that reboots, a handle that went stale).
bool is_transient(int error_number);

}  // namespace pgcairn::storage
