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

bool has_negation(const Option& option) {
  return (option.places & (in_global | in_stanza)) != 0;
}

void register_option(CLI::App& app, const Option& option, Arguments& into) {
  const std::string name(option.name);
  if (option.kind == ValueKind::flag) {
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
  CLI::Option* const added = app.add_option("--" + name, keep)->expected(1);
  if (is_repeatable(option.kind)) added->take_all();
}

/// CLI11's words become ours: it names the option in its message.
UsageError usage_error(const CLI::ParseError& error) {
  const std::string message = error.what();
  const std::size_t flag_end = message.find(" was given a disallowed flag override");
  if (flag_end != std::string::npos) {
    return UsageError(format("option --{} takes no value", message.substr(0, flag_end)));
  }
  const std::size_t start = message.find("--");
  if (start == std::string::npos) return UsageError(message);
  const std::string option = message.substr(start, message.find_first_of(": =", start) - start);
  if (message.find("At Most") != std::string::npos) {
    return UsageError(format("option {} is given more than once", option));
  }
  return UsageError(format("option {} needs a value", option), format("write {}=VALUE", option));
}

UsageError unknown_option(const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  std::vector<std::string> known;
  for (const Option& option : all_options()) {
    if ((option.places & on_command_line) == 0) continue;
    known.push_back(format("--{}", option.name));
    if (option.kind == ValueKind::flag && has_negation(option)) {
      known.push_back(format("--no-{}", option.name));
    }
  }
  const auto near = nearest(name, known);
  return UsageError(format("unknown option \"{}\"", name),
                    near ? format("did you mean {}?", *near)
                         : "run \"pgcairn help COMMAND\" for the options of a command");
}

UsageError unknown_verb(const std::string& word) {
  std::vector<std::string> known;
  for (const Verb* const verb : all_verbs()) known.emplace_back(verb->name);
  const auto near = nearest(word, known);
  return UsageError(format("unknown command \"{}\"", word),
                    near ? format("did you mean \"{}\"?", *near)
                         : "run \"pgcairn help\" for the list of commands");
}

/// CLI11 takes the next word, perhaps another option, for the value of "--option=".
void require_values(std::span<const std::string> words) {
  for (const std::string& word : words) {
    if (word == "--") return;
    if (!word.starts_with("--") || word.find('=') != word.size() - 1) continue;
    const std::string option = word.substr(0, word.size() - 1);
    throw UsageError(format("option {} needs a value", option), format("write {}=VALUE", option));
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
    throw UsageError(
        format("{} does not take \"{}\"", verb->name, arguments.operands[verb->most_operands]),
        format("run \"pgcairn help {}\"", verb->name));
  }
}

}  // namespace

Arguments parse_arguments(std::span<const std::string> words) {
  require_values(words);
  Arguments arguments;
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  app.add_flag("-h,--help", arguments.help);
  app.add_flag("--version", arguments.version);
  std::vector<std::string_view> registered = {"help", "version"};
  for (const Option& option : all_options()) {
    if ((option.places & on_command_line) == 0) continue;
    if (std::find(registered.begin(), registered.end(), option.name) != registered.end()) continue;
    registered.push_back(option.name);
    register_option(app, option, arguments);
  }
  std::vector<std::string> leftovers;
  try {
    // CLI11 takes words from the back of a vector.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    leftovers = app.remaining();
  } catch (const CLI::ParseError& error) {
    throw usage_error(error);
  }
  split_leftovers(leftovers, arguments);
  if (arguments.help || arguments.version) return arguments;
  if (arguments.verb.empty()) {
    throw UsageError("no command given", "run \"pgcairn help\" for the list of commands");
  }
  check_against_verb(arguments);
  return arguments;
}

}  // namespace pgcairn::command
