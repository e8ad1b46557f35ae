// The only file that includes CLI11, which is slow to compile.
#include "settings/arguments.hpp"

#include "settings/options.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <CLI/CLI.hpp>
#pragma GCC diagnostic pop

namespace pgcairn::command {

namespace {

bool is_flag(const Option& option) {
  return option.kind == ValueKind::flag;
}

bool has_negation(const Option& option) {
  return (option.places & (in_global | in_stanza)) != 0;
}

void register_option(CLI::App& app, const Option& option, Arguments& into) {
  const std::string name(option.name);
  if (is_flag(option)) {
    const std::string short_name = name == "recursive" ? "-r," : "";
    app.add_flag_callback(short_name + "--" + name,
                          [&into, name] { into.options.emplace_back(name, "true"); })
        ->disable_flag_override();
    if (!has_negation(option)) return;
    app.add_flag_callback("--no-" + name,
                          [&into, name] { into.options.emplace_back(name, "false"); })
        ->disable_flag_override();
    return;
  }
  const auto keep = [&into, name](const CLI::results_t& values) {
    for (const std::string& value : values) into.options.emplace_back(name, value);
    return true;
  };
  // Also what may be given only once: require_once() finds a second value, and says so.
  app.add_option("--" + name, keep)->expected(1)->take_all();
}

/// What the command line takes, each name once: the first row that has it.
const std::vector<const Option*>& command_line_options() {
  static const std::vector<const Option*> all = [] {
    std::vector<const Option*> rows;
    for (const Option& option : all_options()) {
      if ((option.places & on_command_line) == 0) continue;
      const bool known = std::any_of(rows.begin(), rows.end(),
                                     [&](const Option* row) { return row->name == option.name; });
      if (!known) rows.push_back(&option);
    }
    return rows;
  }();
  return all;
}

const Option* row_of(std::string_view name) {
  const auto& rows = command_line_options();
  const auto row =
      std::find_if(rows.begin(), rows.end(), [&](const Option* one) { return one->name == name; });
  return row == rows.end() ? nullptr : *row;
}

UsageError needs_value(std::string_view option) {
  return UsageError(format("option {} needs a value", option), format("write {}=VALUE", option));
}

UsageError unknown_option(const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  std::vector<std::string> known;
  for (const Option* const option : command_line_options()) {
    known.push_back(format("--{}", option->name));
    if (is_flag(*option) && has_negation(*option)) known.push_back(format("--no-{}", option->name));
  }
  const auto near = nearest(name, known);
  return UsageError(format("unknown option \"{}\"", name),
                    near ? format("did you mean {}?", *near)
                         : "run \"pgcairn help COMMAND\" for the options of a command");
}

/// The words of other backup tools, and what they are here.
std::string_view verb_elsewhere(std::string_view word) {
  if (word == "init") return "stanza-create";
  if (word == "list" || word == "ls" || word == "snapshots" || word == "show") return "info";
  return {};
}

UsageError unknown_verb(const std::string& word) {
  if (const std::string_view meant = verb_elsewhere(word); !meant.empty())
    return UsageError(format("unknown command \"{}\"", word),
                      format("did you mean \"{}\"?", meant));
  std::vector<std::string> known;
  for (const Verb* const verb : all_verbs()) known.emplace_back(verb->name);
  const auto near = nearest(word, known);
  return UsageError(format("unknown command \"{}\"", word),
                    near ? format("did you mean \"{}\"?", *near)
                         : "run \"pgcairn help\" for the list of commands");
}

bool is_flag_name(std::string_view name) {
  if (const Option* const row = row_of(name)) return is_flag(*row);
  const Option* const negated = name.starts_with("no-") ? row_of(name.substr(3)) : nullptr;
  return negated != nullptr && is_flag(*negated) && has_negation(*negated);
}

/// What follows "=" is judged before CLI11 sees it: "--option=" would take the next word, perhaps
/// another option, for its value.
void check_values(std::span<const std::string> words) {
  for (const std::string& word : words) {
    if (word == "--") return;
    const std::size_t equals = word.find('=');
    if (!word.starts_with("--") || equals == std::string::npos) continue;
    const std::string option = word.substr(0, equals);
    if (is_flag_name(option.substr(2))) {
      throw UsageError(format("option {} takes no value", option));
    }
    if (equals == word.size() - 1) throw needs_value(option);
  }
}

void require_once(const Arguments& arguments) {
  std::vector<std::string_view> seen;
  for (const auto& [name, value] : arguments.options) {
    const Option& row = *row_of(name);
    if (is_flag(row) || is_repeatable(row.kind)) continue;
    if (std::find(seen.begin(), seen.end(), name) != seen.end())
      throw UsageError(format("option --{} is given more than once", name));
    seen.push_back(name);
  }
}

void split_leftovers(const std::vector<std::string>& words, Arguments& into) {
  bool only_operands = false;
  for (const std::string& word : words) {
    if (!only_operands && word == "--") {
      only_operands = true;
    } else if (!only_operands && word.size() > 1 && word.front() == '-') {
      if (!into.help && !into.version) throw unknown_option(word);
    } else if (into.verb.empty()) {
      into.verb = word;
    } else {
      into.operands.push_back(word);
    }
  }
}

/// What to do about a word that the verb does not take.
std::string surplus_hint(const Arguments& arguments, const std::string& word) {
  for (const auto& [name, value] : arguments.options) {
    // The day and the time of one point in time, as two words.
    if (value.size() == 10 && value[4] == '-' && value[7] == '-' && word.find(':') == 2)
      return format("quote it: --{}=\"{} {}\"", name, value, word);
  }
  const Option* const type = find_option("type", arguments.verb);
  const auto choices = split(type == nullptr ? std::string_view() : type->choices, '|');
  if (std::find(choices.begin(), choices.end(), word) != choices.end())
    return format("write --type={}", word);
  return format("run \"pgcairn help {}\"", arguments.verb);
}

void check_against_verb(const Arguments& arguments) {
  const Verb* const verb = find_verb(arguments.verb);
  if (verb == nullptr) throw unknown_verb(arguments.verb);
  for (const auto& [name, value] : arguments.options) {
    if (find_option(name, arguments.verb) != nullptr) continue;
    throw UsageError(format("{} takes no option --{}", arguments.verb, name),
                     format("--{} belongs to {}", name, verbs_taking(name)));
  }
  const std::size_t count = arguments.operands.size();
  if (count < verb->least_operands) {
    throw UsageError(format("{} needs {}", verb->name, verb->operands),
                     format("pgcairn {} {}", verb->name, verb->operands));
  }
  if (count > verb->most_operands) {
    const std::string& surplus = arguments.operands[verb->most_operands];
    throw UsageError(format("{} does not take \"{}\"", verb->name, surplus),
                     surplus_hint(arguments, surplus));
  }
}

}  // namespace

Arguments parse_arguments(std::span<const std::string> words) {
  check_values(words);
  Arguments arguments;
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  app.add_flag("-h,--help", arguments.help);
  app.add_flag("--version", arguments.version);
  for (const Option* const option : command_line_options()) {
    const bool own_flag = option->name == "help" || option->name == "version";
    if (!own_flag) register_option(app, *option, arguments);
  }
  std::vector<std::string> leftovers;
  try {
    // CLI11 takes words from the back of a vector.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    leftovers = app.remaining();
  } catch (const CLI::ArgumentMismatch&) {
    // The rest of what this type means is checked here: only an option that is the last word, and
    // whose value is not there, is left.
    throw needs_value(words.back());
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  require_once(arguments);
  split_leftovers(leftovers, arguments);
  if (arguments.help || arguments.version) return arguments;
  if (arguments.verb.empty()) {
    throw UsageError("no command given", "run \"pgcairn help\" for the list of commands");
  }
  check_against_verb(arguments);
  return arguments;
}

}  // namespace pgcairn::command
