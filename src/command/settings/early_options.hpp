#pragma once

#include "settings/settings.hpp"

#include <map>
#include <span>
#include <string>

namespace pgcairn::command {

// What a run needs to know of its options while the settings are not known, or are wrong
// themselves.

/// The value of an option on the command line, or else in the environment; empty: in neither.
std::string early_text(std::span<const std::string> words,
                       const std::map<std::string, std::string>& environment,
                       std::string_view option);

/// How errors are to be shown.
Form early_log_format(std::span<const std::string> words,
                      const std::map<std::string, std::string>& environment);

}  // namespace pgcairn::command
