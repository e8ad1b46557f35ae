#pragma once

#include <string>
#include <string_view>

namespace pgcairn::command {

/// What is probably wrong with a line that is not TOML, and how it is right. Shows the line up to
/// its "=": what follows may be a secret. Pure.
std::string toml_hint(std::string_view line);

}  // namespace pgcairn::command
