#include "settings/file_hint.hpp"

#include <pgcairn/common/account.hpp>
#include <pgcairn/common/text.hpp>

#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

namespace pgcairn::command {

namespace {

/// Whose the file is, and who we are.
std::string denied_hint(const std::filesystem::path& path) {
  const std::string self = account_of(::geteuid(), ::getegid()).describe();
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return format("pgcairn runs as {}, who may not enter its directory", self);
  return format("the file belongs to {} (mode {:04o}), and pgcairn runs as {}: chown {} {}",
                account_of(status.st_uid, status.st_gid).describe(), status.st_mode & 07777, self,
                ::geteuid(), shell_quote(path.native()));
}

}  // namespace

std::string file_hint(const SystemError& error, const std::filesystem::path& path,
                      const std::string& what) {
  if (!error.hint().empty()) return error.hint();
  switch (error.error_number()) {
    case EACCES:
      return denied_hint(path);
    case EISDIR:
      return format("this is a directory: name the {} file in it", what);
    case ENOTDIR:
      return "a part of this path is a file, not a directory";
    case ENOENT:
      return format("there is no such file: check the path, or bring the {} file back", what);
    default:
      return {};
  }
}

}  // namespace pgcairn::command
