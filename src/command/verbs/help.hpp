#pragma once

#include "verbs.hpp"

#include <string>

namespace pgcairn::command {

/// The list of verbs.
std::string help_text();
/// All about one, from the tables of verbs and options.
std::string help_text(const Verb& verb);

}  // namespace pgcairn::command
