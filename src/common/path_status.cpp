#include <pgcairn/common/error.hpp>
#include <pgcairn/common/path_status.hpp>
#include <pgcairn/common/text.hpp>

#include <cerrno>

#include <sys/stat.h>

namespace pgcairn {

namespace fs = std::filesystem;

namespace {

std::string hint_of(int error_number) {
  if (error_number == EACCES) return "look at the rights of the directories above it";
  if (error_number == ELOOP) return "look where the symbolic links in it lead: they form a loop";
  return {};
}

/// 0: there is no such file.
mode_t mode_of(const fs::path& path, bool follow) {
  struct stat status {};
  if ((follow ? ::stat(path.c_str(), &status) : ::lstat(path.c_str(), &status)) == 0)
    return status.st_mode;
  if (errno == ENOENT || errno == ENOTDIR) return 0;
  throw SystemError(format("cannot examine \"{}\"", path.native()), errno, hint_of(errno));
}

}  // namespace

bool path_exists(const fs::path& path) {
  return mode_of(path, true) != 0;
}

bool path_is_directory(const fs::path& path) {
  return S_ISDIR(mode_of(path, true));
}

bool path_is_file(const fs::path& path) {
  return S_ISREG(mode_of(path, true));
}

bool path_is_link(const fs::path& path) {
  return S_ISLNK(mode_of(path, false));
}

fs::path link_target(const fs::path& link) {
  std::error_code error;
  fs::path target = fs::read_symlink(link, error);
  if (error) {
    throw SystemError(format("cannot read the symbolic link \"{}\"", link.native()), error.value(),
                      hint_of(error.value()));
  }
  return target;
}

fs::path working_directory() {
  std::error_code error;
  fs::path here = fs::current_path(error);
  if (error) {
    throw SystemError("cannot find the working directory", error.value(),
                      "change to a directory that exists and that this user may enter");
  }
  return here;
}

}  // namespace pgcairn
