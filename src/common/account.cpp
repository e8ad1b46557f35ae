#include <pgcairn/common/account.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <array>
#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

namespace pgcairn {

namespace {

bool has_become(const Account& account) {
  std::array<uid_t, 3> users{};
  std::array<gid_t, 3> groups{};
  if (::getresuid(&users[0], &users[1], &users[2]) != 0) return false;
  if (::getresgid(&groups[0], &groups[1], &groups[2]) != 0) return false;
  for (const uid_t user : users) {
    if (user != account.uid) return false;
  }
  for (const gid_t group : groups) {
    if (group != account.gid) return false;
  }
  // What keeps its capabilities through the change could still take the step back.
  return account.uid == 0 || ::setresuid(0, 0, 0) != 0;
}

void set_environment(const Account& account) {
  ::setenv("HOME", account.home.c_str(), 1);
  if (account.name.empty()) {
    ::unsetenv("USER");
    ::unsetenv("LOGNAME");
  } else {
    ::setenv("USER", account.name.c_str(), 1);
    ::setenv("LOGNAME", account.name.c_str(), 1);
  }
}

}  // namespace

std::string Account::describe() const {
  return name.empty() ? format("user {}", uid) : name;
}

Account account_of(uid_t uid, gid_t group_without_name) {
  std::array<char, 16384> room{};
  passwd record{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &record, room.data(), room.size(), &found) != 0 || found == nullptr)
    return {uid, group_without_name, {}, "/"};
  return {uid, record.pw_gid, record.pw_name, record.pw_dir};
}

void become(const Account& account) {
  const gid_t only[] = {account.gid};
  const int grouped =
      account.name.empty() ? ::setgroups(1, only) : ::initgroups(account.name.c_str(), account.gid);
  // Groups first: who is root no more may not change them.
  if (grouped != 0 || ::setresgid(account.gid, account.gid, account.gid) != 0 ||
      ::setresuid(account.uid, account.uid, account.uid) != 0)
    throw SystemError(format("cannot become {}", account.describe()), errno);
  if (!has_become(account))
    throw SystemError(format("cannot become {} permanently", account.describe()), EPERM);
  set_environment(account);
  if (::access(".", X_OK) != 0 && ::chdir("/") != 0)
    throw SystemError("cannot change to the directory \"/\"", errno);
}

bool give_to_owner_of(const fs::path& directory, const Fd& made, const fs::path& path) {
  if (::geteuid() != 0) return true;
  struct stat owner {};
  if (::stat(directory.c_str(), &owner) != 0) {
    if (errno == ENOENT) return false;
    throw SystemError(format("cannot examine \"{}\"", directory.native()), errno);
  }
  give_to_owner(owner, made, path);
  return true;
}

void give_to_owner(const struct stat& directory, const Fd& made, const fs::path& path) {
  if (::geteuid() != 0 || directory.st_uid == stat_of(made, path).st_uid) return;
  if (::fchown(made.get(), directory.st_uid, directory.st_gid) == 0) return;
  throw SystemError(format("cannot give \"{}\" to the owner of its directory", path.native()),
                    errno,
                    format("run pgcairn as {}, not as root",
                           account_of(directory.st_uid, directory.st_gid).describe()));
}

void make_directory_for(const Account& account, const fs::path& path) {
  std::error_code failed;
  if (fs::exists(path, failed)) return;
  const fs::path parent = path.parent_path();
  if (!parent.empty() && parent != path && !fs::exists(parent, failed)) {
    make_directory_for({}, parent);
    ::chmod(parent.c_str(), 0755);
  }
  if (::mkdir(path.c_str(), 0750) != 0) {
    if (errno == EEXIST) return;
    throw SystemError(format("cannot make \"{}\"", path.native()), errno);
  }
  // By its descriptor: in a directory that is open to all, the name may be another's by now.
  const Fd made = open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (::fchmod(made.get(), 0750) != 0 || ::fchown(made.get(), account.uid, account.gid) != 0)
    throw SystemError(format("cannot give \"{}\" to {}", path.native(), account.describe()), errno);
}

bool is_root_elsewhere(const fs::path& directory) {
  if (::geteuid() != 0) return false;
  struct stat status {};
  return ::stat(directory.c_str(), &status) != 0 || status.st_uid != 0;
}

}  // namespace pgcairn
