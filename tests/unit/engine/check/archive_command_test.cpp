#include "engine/check/archive_command.hpp"

#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

std::string shown(std::string_view text) {
  const ArchiveCommand command = read_archive_command(text);
  return format("{}{}{}{}{}{}", command.program, command.pushes ? " push" : "",
                command.stanza ? " stanza=" + *command.stanza : "",
                command.config ? " config=" + *command.config : "",
                command.passes_path ? " %p" : "", command.passes_name ? " %f" : "");
}

}  // namespace

TEST_CASE("an archive_command is read for its program, stanza and placeholders", "[check]") {
  struct Example {
    const char* command;
    const char* expected;
  };
  const Example examples[] = {
      {"pgcairn --stanza=main archive-push %p", "pgcairn push stanza=main %p"},
      {"/usr/bin/pgcairn archive-push \"%p\" --stanza main", "pgcairn push stanza=main %p"},
      {"pgcairn --config='/etc/p g.toml' archive-push '%p'",
       "pgcairn push config=/etc/p g.toml %p"},
      {"PGCAIRN_STANZA=a pgcairn archive-push %p", "pgcairn push stanza=a %p"},
      {"pgcairn --stanza=main archive-push %f", "pgcairn push stanza=main %f"},
      {"pgcairn --stanza=main archive-push", "pgcairn push stanza=main"},
      {"pgcairn --stanza=main archive-push %%p", "pgcairn push stanza=main"},
      {"pgcairn check", "pgcairn"},
      {"pgbackrest --stanza=main archive-push %p", "pgbackrest stanza=main %p"},
      {"pgbackrest --stanza=b archive-push %p && pgcairn --stanza=a archive-push \"%p\"",
       "pgcairn push stanza=a %p"},
      {"test ! -f /a/%f && cp %p /a/%f", "cp %p %f"},
      {"cp %p /archive/%f", "cp %p %f"},
      {"env PATH=/x nice -n 5 timeout 60 /opt/pgcairn --stanza=a archive-push %p",
       "pgcairn push stanza=a %p"},
      {"bash -c 'exec pgcairn --stanza=a archive-push \"%p\"'", "pgcairn push stanza=a %p"},
      {"/usr/local/bin/archive.sh %p", "archive.sh %p"},
      {"A=1 /bin/true", "true"},
      {"'/opt/my dir/pgcairn' --stanza=a\\ b archive-push %p", "pgcairn push stanza=a b %p"},
      {"'", ""},
      {"  ", ""},
      {"", ""},
  };
  for (const Example& example : examples) {
    CAPTURE(example.command);
    CHECK(shown(example.command) == example.expected);
  }
}
