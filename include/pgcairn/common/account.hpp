#pragma once

#include <pgcairn/common/file.hpp>

#include <string>

#include <sys/types.h>

namespace pgcairn {

// Who a process is, and whose what it makes is.

/// A user with the group it works in, as the system knows them.
struct Account {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name;  // empty: the number has none, as in many containers
  std::string home;  // "/" without a name

  /// "postgres", or "user 1000660000".
  std::string describe() const;
};

/// The account of a user. Without a name its group is `group_without_name`.
Account account_of(uid_t uid, gid_t group_without_name);

/// Makes this process, which is root's, one of the account: user, groups and the environment's
/// HOME, USER and LOGNAME, with no way back. Before any thread is started. The working directory
/// becomes
/// "/" where the account may not be in it. Throws SystemError.
void become(const Account& account);

/// Gives what root has just made to the owner and group of the directory that it is in, unless that
/// is root's, too. Nothing happens when another user runs this. `path` is for messages. False when
/// the directory is gone. Throws SystemError: a file that its directory's owner cannot read must
/// not get its name.
bool give_to_owner_of(const fs::path& directory, const Fd& made, const fs::path& path);
/// The same, of a directory whose status is known.
void give_to_owner(const struct stat& directory, const Fd& made, const fs::path& path);

/// Makes a directory of mode 0750 that belongs to the account, and what is missing above it
/// (0755, root's). Nothing happens when it is there. Throws SystemError.
void make_directory_for(const Account& account, const fs::path& path);

/// Whether root runs this and `directory` is another user's, or absent, and so nobody's yet: what
/// root kept there for itself would stand in the other's way.
bool is_root_elsewhere(const fs::path& directory);

}  // namespace pgcairn
