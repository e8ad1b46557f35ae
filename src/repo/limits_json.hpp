#pragma once

#include <pgcairn/common/json.hpp>
#include <pgcairn/common/server_limits.hpp>

#include <algorithm>
#include <string>

namespace pgcairn::repo {

/// "max-connections" for max_connections.
inline std::string limit_member(std::string_view setting) {
  std::string name(setting);
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

/// Members of the object in hand, and back.
inline void write_limits(JsonWriter& json, const ServerLimits& limits) {
  for (std::size_t i = 0; i < kLimitNames.size(); ++i)
    json.member(limit_member(kLimitNames[i]), limits.values[i]);
  json.member("wal-level", limits.wal_level);
}
inline ServerLimits read_limits(const JsonValue& object) {
  ServerLimits limits;
  for (std::size_t i = 0; i < kLimitNames.size(); ++i)
    limits.values[i] = object[limit_member(kLimitNames[i])].u32();
  limits.wal_level = object["wal-level"].u32();
  return limits;
}

}  // namespace pgcairn::repo
