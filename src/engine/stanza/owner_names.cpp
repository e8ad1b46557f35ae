#include "stanza/owner_names.hpp"

#include <array>

#include <grp.h>
#include <pwd.h>

namespace pgcairn::engine {

namespace {

/// `look_up` is getpwuid_r or getgrgid_r; `name` the member of its record that is the name.
template <class Record, class Id>
std::string name_of(Id id, int (*look_up)(Id, Record*, char*, std::size_t, Record**),
                    char* Record::*name) {
  std::array<char, 16384> room{};
  Record record{};
  Record* found = nullptr;
  if (look_up(id, &record, room.data(), room.size(), &found) != 0 || found == nullptr)
    return std::to_string(id);
  return record.*name;
}

}  // namespace

const std::string& OwnerNames::user(uid_t uid) {
  const auto known = users_.find(uid);
  if (known != users_.end()) return known->second;
  return users_.emplace(uid, name_of(uid, ::getpwuid_r, &passwd::pw_name)).first->second;
}

const std::string& OwnerNames::group(gid_t gid) {
  const auto known = groups_.find(gid);
  if (known != groups_.end()) return known->second;
  return groups_.emplace(gid, name_of(gid, ::getgrgid_r, &group::gr_name)).first->second;
}

}  // namespace pgcairn::engine
