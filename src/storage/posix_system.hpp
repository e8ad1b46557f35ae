#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::storage {

/// Status of what `path` leads to (a last link is followed unless `flags` has AT_SYMLINK_NOFOLLOW);
/// nothing when there is nothing. Throws SystemError.
std::optional<struct stat> status_of(const fs::path& path, int flags = 0);

/// A name in a directory that can be a part of a key. Directories end with '/', so that sorting
/// entries by bytes sorts the keys below them by bytes: "a-b" < "a/" < "a0".
using Entry = std::string;
/// Sorted; nothing when there is no such directory. Passes over names that cannot be in a key.
/// Throws SystemError when the directory cannot be read.
std::optional<std::vector<Entry>> scan_directory(const fs::path& path);

/// False when the directory is gone.
bool sync_directory_if_exists(const fs::path& path);

/// True when the directory came to be so lately that its entry in its parent may not be durable:
/// another process made it, and may have died before it synced the parent.
bool is_young_directory(const fs::path& path);

/// An unfinished object. Leaving scope removes it.
class Unfinished {
 public:
  /// Nothing when `directory` is gone.
  static std::optional<Unfinished> create(const fs::path& directory, mode_t mode);
  Unfinished(Unfinished&& other) noexcept;
  Unfinished& operator=(Unfinished&&) = delete;
  ~Unfinished();

  Fd& fd() { return fd_; }
  enum class Outcome { published, exists, unsupported };
  /// Gives the file the name `target` unless something has it. `unsupported`: the file system can
  /// do so neither by rename nor by link.
  Outcome publish(const fs::path& target);

 private:
  Unfinished(fs::path path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  Outcome publish_by_link(const fs::path& target);
  fs::path path_;  // empty: nothing is left to remove
  Fd fd_;
};

/// Removes unfinished objects that nobody can be writing any more; best effort.
void sweep_unfinished(const fs::path& directory);

/// "nfs", "fuse" ...: what `path` lies on, for messages.
std::string file_system_name(const fs::path& path);

/// Whether trying again may help (a server that reboots, a handle that went stale).
bool is_transient(int error_number);

}  // namespace pgcairn::storage
