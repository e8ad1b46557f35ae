#pragma once

#include <span>
#include <string>

namespace pgcairn::command {

/// The whole program: `words` are argv without the program's name. Prints, and returns the exit
/// status (pgcairn(1), EXIT STATUS); throws nothing.
int run(std::span<const std::string> words);

}  // namespace pgcairn::command
