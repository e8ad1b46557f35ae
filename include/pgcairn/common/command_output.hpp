#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/time.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace pgcairn {

/// Runs a command for the shell and fills `out` with what it prints; how many bytes. When it, or
/// something it started that holds its output, runs on after `limit`, its process group is killed.
/// The command may hold a secret itself: errors name the setting that holds it. Throws Error when
/// it fails.
std::size_t read_command_output(const std::string& command, std::string_view setting,
                                MutableBytes out, milliseconds limit = milliseconds(60'000));

}  // namespace pgcairn
