#pragma once

#include <string_view>

namespace pgcairn {

/// "0.2.0": the project's version in CMakeLists.txt.
std::string_view program_version();

}  // namespace pgcairn
