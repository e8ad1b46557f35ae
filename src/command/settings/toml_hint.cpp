#include "settings/toml_hint.hpp"

#include <pgcairn/common/lower_case.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <array>

namespace pgcairn::command {

namespace {

constexpr std::array<std::string_view, 8> kTruths = {"true", "false", "yes", "no",
                                                     "on",   "off",   "y",   "n"};

constexpr const char* kOnce = "each key is once in its section";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::string about_text(std::string_view value) {
  const char quote = value.front();
  const std::size_t end = value.find(quote, 1);
  if (end == std::string_view::npos)
    return format("the text is not closed: put {} at its end, in the same line", quote);
  if (quote == '"' && value.find('\\') != std::string_view::npos)
    return "a backslash is written twice between \" and \", once between ' and '";
  const std::string_view behind = trim(value.substr(end + 1));
  return behind.empty() || behind.front() == '#' ? kOnce
                                                 : "nothing but a comment may follow the text";
}

std::string about_value(std::string_view key, std::string_view value) {
  if (value.empty() || value.front() == '#') return "its value is missing";
  if (value.front() == '"' || value.front() == '\'') return about_text(value);
  const std::string word = lower_case(value.substr(0, value.find_first_of(" #")));
  if (std::find(kTruths.begin(), kTruths.end(), word) != kTruths.end())
    return "write true or false, in small letters and without quotes";
  if (is_digit(value.front()) && value.find_first_not_of("0123456789_ ") != std::string_view::npos)
    return format("a value with a unit is in quotes, like {} = \"10s\"", key);
  if (is_digit(value.front())) return kOnce;
  return format("text is in quotes: {} = \"TEXT\"", key);
}

}  // namespace

std::string toml_hint(std::string_view given) {
  const std::string_view line = trim(given);
  if (line.starts_with('[')) {
    return line.find(']') == std::string_view::npos
               ? "a section is in brackets: [global], [repo.NAME] or [stanza.NAME]"
               : "each section is once in the file";
  }
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) {
    // The first word alone: what is behind it may be a secret, too.
    const std::string_view key = line.substr(0, line.find_first_of(" :\"'"));
    return format("write {} = VALUE in its line; \"#\" begins a comment",
                  key.empty() ? "KEY" : key);
  }
  const std::string_view key = trim(line.substr(0, equals));
  return format("in the line \"{} = ...\": {}", key,
                about_value(key, trim(line.substr(equals + 1))));
}

}  // namespace pgcairn::command
