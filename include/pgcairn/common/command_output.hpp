#pragma once

#include <pgcairn/common/bytes.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace pgcairn {

/// Runs a command for the shell, at most a minute long, and fills `out` with what it prints; how
/// many bytes. The command may hold a secret itself: errors name the setting that holds it. Throws
/// Error when it fails.
std::size_t read_command_output(const std::string& command, std::string_view setting,
                                MutableBytes out);

}  // namespace pgcairn
