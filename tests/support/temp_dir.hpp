#pragma once

#include <pgcairn/common/error.hpp>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

#include <stdlib.h>
#include <unistd.h>

namespace pgcairn::test {

/// A new, empty directory that goes with the object, whatever is in it.
class TempDir {
 public:
  /// Below $TMPDIR, or in memory (where syncing costs nothing) if the machine has such a place.
  enum class Where { disk, memory };

  explicit TempDir(Where where = Where::disk) {
    const bool in_memory = where == Where::memory && ::access("/dev/shm", W_OK) == 0;
    const std::filesystem::path parent =
        in_memory ? "/dev/shm" : std::filesystem::temp_directory_path();
    std::string name = (parent / "pgcairn-test-XXXXXX").native();
    if (::mkdtemp(name.data()) == nullptr)
      throw SystemError("cannot create a temporary directory", errno);
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace pgcairn::test
