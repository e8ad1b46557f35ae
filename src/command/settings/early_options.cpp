#include "settings/early_options.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

/// "PGCAIRN_STATE_PATH" for state-path.
std::string variable_of(std::string_view option) {
  std::string name = "PGCAIRN_";
  for (const char c : option)
    name += c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

}  // namespace

std::string early_text(std::span<const std::string> words,
                       const std::map<std::string, std::string>& environment,
                       std::string_view option) {
  const std::string alone = format("--{}", option);
  const std::string with_value = alone + "=";
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i].starts_with(with_value)) return words[i].substr(with_value.size());
    if (words[i] == alone) return i + 1 < words.size() ? words[i + 1] : "";
  }
  const auto at = environment.find(variable_of(option));
  return at == environment.end() ? "" : at->second;
}

Form early_log_format(std::span<const std::string> words,
                      const std::map<std::string, std::string>& environment) {
  return early_text(words, environment, "log-format") == "json" ? Form::json : Form::text;
}

}  // namespace pgcairn::command
