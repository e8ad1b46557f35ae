#include <pgcairn/common/error.hpp>
#include <pgcairn/engine/restore/recovery_target.hpp>

#include <utility>

namespace pgcairn::engine {

namespace {

constexpr std::pair<RestoreType, std::string_view> kNames[] = {
    {RestoreType::latest, "default"},  {RestoreType::immediate, "immediate"},
    {RestoreType::time, "time"},       {RestoreType::xid, "xid"},
    {RestoreType::lsn, "lsn"},         {RestoreType::name, "name"},
    {RestoreType::standby, "standby"}, {RestoreType::preserve, "preserve"},
    {RestoreType::none, "none"},
};

}  // namespace

std::string_view name_of(RestoreType type) {
  for (const auto& [known, name] : kNames) {
    if (known == type) return name;
  }
  return {};
}

std::optional<RestoreType> parse_restore_type(std::string_view name) {
  for (const auto& [type, known] : kNames) {
    if (known == name) return type;
  }
  return std::nullopt;
}

RecoveryTarget::RecoveryTarget(RestoreType type) : target_(type) {
  PGCAIRN_ASSERT(type != RestoreType::time && type != RestoreType::xid &&
                 type != RestoreType::lsn && type != RestoreType::name);
}

RestoreType RecoveryTarget::type() const {
  if (time() != nullptr) return RestoreType::time;
  if (xid() != nullptr) return RestoreType::xid;
  if (lsn() != nullptr) return RestoreType::lsn;
  if (name() != nullptr) return RestoreType::name;
  return std::get<RestoreType>(target_);
}

bool RecoveryTarget::exclusive() const {
  return (time() != nullptr && time()->exclusive) || (xid() != nullptr && xid()->exclusive) ||
         (lsn() != nullptr && lsn()->exclusive);
}

bool RecoveryTarget::stops_early() const {
  const auto* const whole = std::get_if<RestoreType>(&target_);
  return whole == nullptr || *whole == RestoreType::immediate;
}

bool RecoveryTarget::goes_beyond_backup() const {
  const RestoreType is = type();
  return is != RestoreType::immediate && is != RestoreType::none && is != RestoreType::preserve;
}

}  // namespace pgcairn::engine
