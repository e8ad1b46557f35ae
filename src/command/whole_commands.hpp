#pragma once

#include "settings/arguments.hpp"

#include <string>
#include <string_view>

namespace pgcairn::command {

/// `text` with each "pgcairn VERB" in it as it has to be typed to mean the same configuration,
/// stanza and repository as this run: with --config, --stanza and --repo as they were given on its
/// command line, where that verb takes them and the text does not name others.
std::string whole_commands(std::string_view text, const Arguments& given);

}  // namespace pgcairn::command
