#pragma once

#include <map>
#include <string>

#include <sys/types.h>

namespace pgcairn::engine {

/// Names of users and groups by number, looked up once each; the number in digits where the host
/// knows no name.
class OwnerNames {
 public:
  const std::string& user(uid_t uid);
  const std::string& group(gid_t gid);

 private:
  std::map<uid_t, std::string> users_;
  std::map<gid_t, std::string> groups_;
};

}  // namespace pgcairn::engine
