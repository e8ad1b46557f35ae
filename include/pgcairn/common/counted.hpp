#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pgcairn {

/// "1 backup", "2 backups": for people. `noun` is regular.
std::string counted(std::uint64_t count, std::string_view noun);

}  // namespace pgcairn
