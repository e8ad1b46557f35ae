#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

namespace pgcairn::command {

/// A command line taken apart; values are still text.
struct Arguments {
  std::string verb;                   // empty: none was given
  std::vector<std::string> operands;  // what stands after the verb and is no option
  std::vector<std::pair<std::string, std::string>> options;  // name and value, as often as given
  bool help = false;
  bool version = false;
};

/// `words` are argv without the program's name. Options may stand before or after the verb. Throws
/// UsageError for an unknown verb or option, an option that the verb does not take, a missing value
/// and an option given twice. With help or version set, the rest is not looked at.
Arguments parse_arguments(std::span<const std::string> words);

}  // namespace pgcairn::command
