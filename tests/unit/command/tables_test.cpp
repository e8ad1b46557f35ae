// The tables of options and verbs against what is written about them: man pages, example, help.
#include "command/settings/config_file.hpp"
#include "command/settings/options.hpp"
#include "command/verbs.hpp"
#include "command/verbs/help.hpp"

#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::command;

namespace {

const fs::path kRoot = PGCAIRN_SOURCE;

std::string text_of(const fs::path& path) {
  return std::string(as_text(read_file(kRoot / path)));
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// mdoc writes --process-max as "Fl -process-max".
bool mentions_option(const std::string& page, std::string_view name) {
  for (const std::string& line : split(page, '\n')) {
    for (const char* const prefix : {"Fl -", "Fl -no-", "\\-\\-"}) {
      const std::size_t at = line.find(format("{}{}", prefix, name));
      if (at == std::string::npos) continue;
      const std::size_t end = at + std::string(prefix).size() + name.size();
      if (end == line.size() || !(std::isalnum(line[end]) || line[end] == '-')) return true;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("rows that share a name share no verb, no section and no kind of value") {
  for (const Option& a : all_options()) {
    for (const Option& b : all_options()) {
      if (&a == &b || a.name != b.name) continue;
      CHECK(a.kind == b.kind);
      CHECK((a.places & b.places & (in_global | in_repo | in_stanza)) == 0);
      for (const Verb* const verb : all_verbs())
        CHECK_FALSE((takes(a, verb->name) && takes(b, verb->name)));
    }
  }
}

TEST_CASE("verbs take options that exist, and each option belongs to a verb or to the file") {
  for (const Verb* const verb : all_verbs()) {
    for (const std::string& name : split(verb->takes, ' ')) {
      if (name.empty()) continue;
      INFO(verb->name << ": " << name);
      CHECK(find_option(name, verb->name) != nullptr);
    }
  }
  for (const Option& option : all_options()) {
    INFO(option.name);
    CHECK((!option.verbs.empty() || (option.places & on_command_line) == 0));
  }
}

TEST_CASE("each verb's man page tells of each of its options") {
  for (const Verb* const verb : all_verbs()) {
    const std::string page = text_of(format("man/pgcairn-{}.1", verb->name));
    // Those that every verb takes are told once.
    const std::string shared = text_of("man/pgcairn.1");
    for (const Option& option : all_options()) {
      if ((option.places & on_command_line) == 0 || !takes(option, verb->name)) continue;
      INFO(verb->name << " --" << option.name);
      CHECK(mentions_option(option.verbs == "*" ? shared : page, option.name));
    }
    for (const char* const section :
         {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "EXAMPLES", "SEE ALSO"}) {
      INFO(verb->name << ": " << section);
      CHECK(contains(page, format(".Sh {}\n", section)));
    }
    CHECK(contains(text_of("man/pgcairn.1"), format("pgcairn-{} 1", verb->name)));
  }
}

TEST_CASE("the example and the man page explain every key, and the example is valid") {
  const std::string example = text_of("config/pgcairn.toml.example");
  const std::string page = text_of("man/pgcairn.toml.5");
  for (const Option& option : all_options()) {
    if ((option.places & (in_global | in_repo | in_stanza)) == 0) continue;
    INFO(option.name);
    CHECK(contains(example, format("\n{} =", option.name)) +
              contains(example, format("\n# {} =", option.name)) >
          0);
    CHECK(contains(page, format(".It Cm {}", option.name)));
  }
  CHECK(parse_config(example, "example").stanzas == std::vector<std::string>{"main"});
  // With every key that is commented out put in, too.
  std::string all;
  for (const std::string& line : split(example, '\n')) {
    const bool key = line.starts_with("# ") && contains(line, " = ") && !line.starts_with("# [") &&
                     line.find(' ', 2) == line.find(" = ");
    all += (key ? line.substr(2) : line) + "\n";
  }
  CHECK_NOTHROW(parse_config(all, "example"));
}

TEST_CASE("help fits in 100 columns and has examples and exit codes") {
  for (const Verb* const verb : all_verbs()) {
    const std::string text = help_text(*verb);
    for (const std::string& line : split(text, '\n')) {
      INFO(line);
      CHECK(line.size() < 100);
    }
    CHECK(contains(text, "examples:\n  "));
    CHECK(contains(text, "exit status:\n    0"));
    CHECK(contains(help_text(), format("  {} ", verb->name)));
  }
}
