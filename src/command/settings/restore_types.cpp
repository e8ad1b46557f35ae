#include "settings/restore_types.hpp"

#include <array>

namespace pgcairn::command {

using engine::RestoreType;

namespace {

struct TypeName {
  RestoreType type;
  std::string_view name;
};
constexpr std::array<TypeName, 9> kTypes = {{{RestoreType::latest, "default"},
                                             {RestoreType::immediate, "immediate"},
                                             {RestoreType::time, "time"},
                                             {RestoreType::xid, "xid"},
                                             {RestoreType::lsn, "lsn"},
                                             {RestoreType::name, "name"},
                                             {RestoreType::standby, "standby"},
                                             {RestoreType::preserve, "preserve"},
                                             {RestoreType::none, "none"}}};

}  // namespace

std::string_view name_of(RestoreType type) {
  for (const TypeName& one : kTypes) {
    if (one.type == type) return one.name;
  }
  return {};
}

std::span<const RestoreType> all_restore_types() {
  static constexpr auto types = [] {
    std::array<RestoreType, kTypes.size()> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = kTypes[i].type;
    return all;
  }();
  return types;
}

}  // namespace pgcairn::command
