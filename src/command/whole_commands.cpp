#include "whole_commands.hpp"

#include "settings/options.hpp"
#include "verbs.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <array>

namespace pgcairn::command {

namespace {

constexpr std::string_view kProgram = "pgcairn ";
constexpr std::array<std::string_view, 3> kPassedOn = {"config", "stanza", "repo"};

bool is_of_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '/';
}

/// The verb that `rest` begins with, after its options; null: none that is about a configuration.
const Verb* verb_at(std::string_view rest) {
  while (rest.starts_with("--") && rest.find(' ') != std::string_view::npos)
    rest.remove_prefix(rest.find(' ') + 1);
  const auto end = std::find_if_not(rest.begin(), rest.end(), is_of_word);
  const Verb* const verb = find_verb(rest.substr(0, static_cast<std::size_t>(end - rest.begin())));
  return verb != nullptr && verb->needs_configuration ? verb : nullptr;
}

/// The options that a command lacks, of those given.
std::string missing_options(const Verb& verb, std::string_view command, const Arguments& given) {
  std::string options;
  for (const std::string_view wanted : kPassedOn) {
    if (find_option(wanted, verb.name) == nullptr) continue;
    if (command.find(format("--{}=", wanted)) != std::string_view::npos) continue;
    for (const auto& [name, value] : given.options)
      if (name == wanted) options += shell_quote(format("--{}={}", name, value)) + " ";
  }
  return options;
}

}  // namespace

std::string whole_commands(std::string_view text, const Arguments& given) {
  std::string whole;
  while (true) {
    const std::size_t at = text.find(kProgram);
    if (at == std::string_view::npos) return whole + std::string(text);
    const std::size_t after = at + kProgram.size();
    const bool begins_word = at == 0 || !is_of_word(text[at - 1]);
    whole += text.substr(0, after);
    text.remove_prefix(after);
    const Verb* const verb = begins_word ? verb_at(text) : nullptr;
    // A command ends with its quotation mark, or with its line.
    if (verb != nullptr) {
      const std::string_view command = text.substr(0, text.find_first_of("\"\n"));
      whole += missing_options(*verb, command, given);
    }
  }
}

}  // namespace pgcairn::command
