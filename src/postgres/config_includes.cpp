#include "config_includes.hpp"

#include <pgcairn/common/lower_case.hpp>

#include <algorithm>
#include <optional>

namespace pgcairn::postgres {

namespace {

using Form = Inclusion::Form;

std::optional<Form> form_of(std::string_view given) {
  const std::string word = lower_case(given);
  if (word == "include") return Form::required;
  if (word == "include_if_exists") return Form::if_exists;
  if (word == "include_dir") return Form::directory;
  return std::nullopt;
}

/// Takes the next line, without its end.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

void skip_blanks(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
}

/// The character that a backslash and what follows it stand for (DeescapeQuotedString, guc-file.l).
char take_escaped(std::string_view& text) {
  const char c = text.front();
  text.remove_prefix(1);
  static constexpr std::string_view letters = "bfnrt";
  static constexpr std::string_view meant = "\b\f\n\r\t";
  const std::size_t letter = letters.find(c);
  if (letter != std::string_view::npos) return meant[letter];
  if (c < '0' || c > '7') return c;
  int value = c - '0';
  for (int i = 0; i < 2 && !text.empty() && text.front() >= '0' && text.front() <= '7'; ++i) {
    value = value * 8 + (text.front() - '0');
    text.remove_prefix(1);
  }
  return static_cast<char>(value);
}

/// A value of postgresql.conf: in single quotes, or up to a blank or comment.
std::string take_value(std::string_view& text) {
  std::string value;
  if (!text.starts_with('\'')) {
    const std::size_t end = std::min(text.find_first_of(" \t#"), text.size());
    value = text.substr(0, end);
    text.remove_prefix(end);
    return value;
  }
  text.remove_prefix(1);
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '\\' && !text.empty()) {
      value += take_escaped(text);
    } else if (c == '\'' && text.starts_with('\'')) {
      value += '\'';
      text.remove_prefix(1);
    } else if (c == '\'') {
      break;
    } else {
      value += c;
    }
  }
  return value;
}

/// Visits each line of a postgresql.conf: the name, and what follows it.
template <class Visit>
void for_each_setting(std::string_view text, Visit visit) {
  while (!text.empty()) {
    std::string_view line = take_line(text);
    skip_blanks(line);
    const std::size_t end = std::min(line.find_first_of(" \t='#"), line.size());
    const std::string name(line.substr(0, end));
    line.remove_prefix(end);
    skip_blanks(line);
    if (line.starts_with('=')) line.remove_prefix(1);
    skip_blanks(line);
    if (!name.empty()) visit(name, line);
  }
}

std::vector<Inclusion> in_settings(std::string_view text) {
  std::vector<Inclusion> found;
  for_each_setting(text, [&](const std::string& name, std::string_view rest) {
    const auto form = form_of(name);
    std::string path = form ? take_value(rest) : std::string();
    if (!path.empty()) found.push_back({std::move(path), *form});
  });
  return found;
}

/// Takes a word of a line of rules (next_token, hba.c): up to a blank, a comma or a comment outside
/// of double quotes, which are dropped and doubled inside stand for one. `quoted`: it began with
/// one.
std::string take_word(std::string_view& line, bool& quoted) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t,"), line.size()));
  quoted = line.starts_with('"');
  std::string word;
  bool inside = false;
  bool was_quote = false;
  while (!line.empty()) {
    const char c = line.front();
    if (c == '#' && !inside) {
      line = {};
      break;
    }
    if (!inside && (c == ' ' || c == '\t' || c == ',')) break;
    line.remove_prefix(1);
    if (c == '"') {
      if (!inside && was_quote) word += c;
      inside = !inside;
    } else {
      word += c;
    }
    was_quote = c == '"';
  }
  return word;
}

std::vector<Inclusion> in_rules(std::string_view text) {
  std::vector<Inclusion> found;
  while (!text.empty()) {
    std::string joined(take_line(text));
    while (joined.ends_with('\\')) {  // the line goes on in the next one (14 on)
      joined.pop_back();
      joined += take_line(text);
    }
    std::string_view line = joined;
    bool quoted = false;
    const std::string first = take_word(line, quoted);
    const auto form = quoted ? std::nullopt : form_of(first);
    if (form) {
      std::string path = take_word(line, quoted);
      if (!path.empty()) found.push_back({std::move(path), *form});
      continue;
    }
    std::string word = first;
    while (!word.empty() || !line.empty()) {
      if (!quoted && word.size() > 1 && word.front() == '@')
        found.push_back({word.substr(1), Form::names});
      word = take_word(line, quoted);
    }
  }
  return found;
}

}  // namespace

std::vector<Inclusion> inclusions(ConfigSyntax syntax, std::string_view text) {
  return syntax == ConfigSyntax::settings ? in_settings(text) : in_rules(text);
}

std::optional<std::string> setting_in(std::string_view text, std::string_view name) {
  std::optional<std::string> value;
  for_each_setting(text, [&](const std::string& found, std::string_view rest) {
    if (lower_case(found) == name) value = take_value(rest);
  });
  return value;
}

}  // namespace pgcairn::postgres
