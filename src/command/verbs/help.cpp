#include "verbs/help.hpp"

#include "console.hpp"
#include "settings/options.hpp"
#include "settings/settings.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

constexpr std::string_view kSharedExitStatus =
    "    0  done\n"
    "    1  failed\n"
    "    2  wrong usage or configuration; nothing was touched\n"
    "    3  done, with warnings to read\n"
    "    4  damage found\n"
    "   10  no such repository, stanza or backup\n"
    "   11  locked by another run\n"
    "   12  the repository is encrypted, and the key is missing or wrong\n"
    "   13  PostgreSQL unreachable, unsupported, or not this stanza's cluster\n"
    "  130  interrupted\n";

constexpr std::size_t kColumns = 96;
constexpr std::size_t kOptionColumn = 30;

std::string indented(std::string_view lines, std::string_view indent) {
  std::string text;
  for (const std::string& line : split(lines, '\n')) {
    if (!line.empty()) text += format("{}{}\n", indent, line);
  }
  return text;
}

/// Words of `text` in lines that start at `column` and end before kColumns; the first line
/// continues the caller's.
std::string wrapped(std::string_view text, std::size_t column) {
  std::string result;
  std::size_t at = column;
  for (const std::string& word : split(text, ' ')) {
    if (at != column && at + 1 + word.size() > kColumns) {
      result += "\n" + std::string(column, ' ');
      at = column;
    }
    if (at != column) result += " ";
    at += word.size() + (at == column ? 0 : 1);
    result += word;
  }
  return result;
}

std::string option_text(const Option& option) {
  std::string name = format("  --{}", option.name);
  const bool negatable = (option.places & (in_global | in_stanza)) != 0;
  if (option.kind == ValueKind::flag && negatable) name = format("  --[no-]{}", option.name);
  if (!option.value_name.empty()) name += format("={}", option.value_name);
  std::string help(option.help);
  if (!option.choices.empty()) {
    std::string choices;
    for (const std::string& choice : split(option.choices, '|')) {
      choices += (choices.empty() ? "" : ", ") + choice;
    }
    help += ": " + choices;
  }
  if (!option.default_value.empty() && option.kind != ValueKind::flag) {
    help += format(" (default: {})", option.default_value);
  }
  if (name.size() + 2 > kOptionColumn) name += "\n" + std::string(kOptionColumn, ' ');
  return format("{:<{}}{}\n", name, kOptionColumn, wrapped(help, kOptionColumn));
}

}  // namespace

std::string help_text() {
  std::string text =
      "pgcairn backs up PostgreSQL, archives its WAL, and restores it.\n"
      "\n"
      "usage: pgcairn [OPTION]... COMMAND [OPTION]...\n"
      "\n"
      "commands:\n";
  for (const Verb* const verb : all_verbs())
    text += format("  {:<15}{}\n", verb->name, verb->summary);
  return text +
         "\n"
         "\"pgcairn help COMMAND\" shows a command's options, examples and exit codes;\n"
         "man pgcairn, man pgcairn-COMMAND and man pgcairn.toml are the full manual.\n";
}

std::string help_text(const Verb& verb) {
  const std::string operands = verb.operands.empty() ? "" : format(" {}", verb.operands);
  std::string text = format("pgcairn {}: {}\n\nusage: pgcairn [OPTION]... {}{}\n\n", verb.name,
                            verb.summary, verb.name, operands);
  text += verb.description;
  text += "\noptions:\n";
  for (const Option& option : all_options()) {
    if ((option.places & on_command_line) != 0 && takes(option, verb.name)) {
      text += option_text(option);
    }
  }
  text += "\nexamples:\n" + indented(verb.examples, "  ");
  text += "\nexit status:\n";
  if (verb.run_by_postgres) return text + std::string(verb.exit_status);
  // Where the verb says it more exactly, its line replaces the shared one.
  for (const std::string& shared : split(kSharedExitStatus, '\n')) {
    if (shared.empty()) continue;
    std::string line = shared;
    for (const std::string& own : split(verb.exit_status, '\n')) {
      if (own.substr(0, 5) == shared.substr(0, 5)) line = own;
    }
    text += line + "\n";
  }
  return text;
}

namespace {

ExitCode run(const Session& session) {
  if (session.settings.operands.empty()) {
    print(help_text());
    return ExitCode::done;
  }
  const std::string& name = session.settings.operands.front();
  if (const Verb* const verb = find_verb(name)) {
    print(help_text(*verb));
    return ExitCode::done;
  }
  std::vector<std::string> known;
  for (const Verb* const verb : all_verbs()) known.emplace_back(verb->name);
  const auto near = nearest(name, known);
  throw UsageError(format("unknown command \"{}\"", name),
                   near ? format("did you mean \"{}\"?", *near)
                        : "run \"pgcairn help\" for the list of commands");
}

}  // namespace

constinit const Verb kHelp = {
    .name = "help",
    .operands = "[COMMAND]",
    .least_operands = 0,
    .most_operands = 1,
    .summary = "list the commands, or show the help of one",
    .description = lines(R"(
Lists the commands, or shows the help of one.
)"),
    .examples = lines(R"(
pgcairn help
pgcairn help restore
)"),
    .load = without_settings<run>,
    .needs_configuration = false,
    .stanza = StanzaUse::none,
    .stays_root = true,
};

}  // namespace pgcairn::command
