#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/time.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace pgcairn {

/// Runs a command for the shell and fills `out` with what it prints; how many bytes. When it, or
/// something it started that holds its output, runs on after `limit`, its process group is killed.
/// It may ask at the terminal when this process could: it has the terminal until it ends.
/// The command may hold a secret itself: errors name the setting that holds it. Throws Error when
/// it fails, and Interrupted when it was ended at the terminal.
std::size_t read_command_output(const std::string& command, std::string_view setting,
                                MutableBytes out, milliseconds limit = milliseconds(60'000));

}  // namespace pgcairn
