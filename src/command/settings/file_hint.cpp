#include "settings/file_hint.hpp"

#include <pgcairn/common/account.hpp>
#include <pgcairn/common/text.hpp>

#include <array>
#include <cerrno>

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pgcairn::command {

namespace {

std::string group_name(gid_t gid) {
  std::array<char, 16384> room{};
  group record{};
  group* found = nullptr;
  const bool known = ::getgrgid_r(gid, &record, room.data(), room.size(), &found) == 0;
  return known && found != nullptr ? record.gr_name : std::to_string(gid);
}

/// Who is meant to read the file: its owner, or, of a file of root's, the user with the name of
/// its group. Empty: root alone.
std::string reader_of(const struct stat& status) {
  if (status.st_uid != 0) return account_of(status.st_uid, status.st_gid).name;
  if (status.st_gid == 0) return {};
  const std::string name = group_name(status.st_gid);
  std::array<char, 16384> room{};
  passwd record{};
  passwd* found = nullptr;
  const bool known = ::getpwnam_r(name.c_str(), &record, room.data(), room.size(), &found) == 0;
  return known && found != nullptr ? name : std::string();
}

/// What is to be done, never giving a file that may hold secrets to somebody who only ran a
/// command.
std::string way_in(const struct stat& status, const Account& self,
                   const std::filesystem::path& path, std::string_view verb) {
  const std::string file = shell_quote(path.native());
  if (status.st_uid == self.uid) return format("chmod u+r {}", file);
  const std::string reader = reader_of(status);
  if (!reader.empty() && reader != self.name && !is_of_server(self)) {
    return verb.empty() ? format("run it as {0} (sudo -u {0})", reader)
                        : format("run it as {0}: sudo -u {0} pgcairn {1}", reader, verb);
  }
  const std::string open_to_group =
      format("chgrp {} {} && chmod 640 {}", group_name(self.gid), file, file);
  if (reader == self.name || is_of_server(self)) return open_to_group;
  return format("run it as the user that runs PostgreSQL; only if that is {}: {}", self.describe(),
                open_to_group);
}

/// Whose the file is, and who we are.
std::string denied_hint(const std::filesystem::path& path, std::string_view verb) {
  const Account self = account_of(::geteuid(), ::getegid());
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return format("pgcairn runs as {}, who may not enter its directory", self.describe());
  return format("the file belongs to {} (mode {:04o}), and pgcairn runs as {}: {}",
                account_of(status.st_uid, status.st_gid).describe(), status.st_mode & 07777,
                self.describe(), way_in(status, self, path, verb));
}

}  // namespace

bool is_of_server(const Account& account) {
  return account.name == "postgres";
}

std::string file_hint(const SystemError& error, const std::filesystem::path& path,
                      const std::string& what, std::string_view verb) {
  if (!error.hint().empty()) return error.hint();
  switch (error.error_number()) {
    case EACCES:
      return denied_hint(path, verb);
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
