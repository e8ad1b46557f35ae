#pragma once

#include <pgcairn/common/file.hpp>

#include <catch2/catch.hpp>
#include <sys/mount.h>

namespace pgcairn::test {

/// A small file system in memory; needs root.
class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& path, const char* options = "size=1m,mode=0777")
      : path_(path) {
    fs::create_directory(path);
    mounted_ = ::mount("tmpfs", path.c_str(), "tmpfs", 0, options) == 0;
    if (!mounted_) WARN("skipped: mounting a small file system needs root with CAP_SYS_ADMIN");
  }
  ~SmallDisk() { unmount(); }
  explicit operator bool() const { return mounted_; }
  void unmount() {
    if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
    mounted_ = false;
  }
  bool make_read_only() {
    return ::mount("tmpfs", path_.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, "size=1m") == 0;
  }

 private:
  fs::path path_;
  bool mounted_ = false;
};

}  // namespace pgcairn::test
