#include "command/whole_commands.hpp"

#include <catch2/catch.hpp>

using namespace pgcairn::command;

TEST_CASE("a command in a hint is what has to be typed here") {
  Arguments given;
  given.verb = "restore";
  given.options = {{"dry-run", "true"},
                   {"config", "/etc/my conf.toml"},
                   {"stanza", "main"},
                   {"repo", "local"},
                   {"set", "20261121-010203F"}};
  struct Row {
    const char* text;
    const char* whole;
  };
  const Row rows[] = {
      {"\"pgcairn info\" lists the backups",
       "\"pgcairn '--config=/etc/my conf.toml' --stanza=main --repo=local info\" lists the "
       "backups"},
      {"\"pgcairn info --stanza=other\", or not",
       "\"pgcairn '--config=/etc/my conf.toml' --repo=local info --stanza=other\", or not"},
      {"first \"pgcairn info --repo=x\", then \"pgcairn stanza-create\"",
       "first \"pgcairn '--config=/etc/my conf.toml' --stanza=main info --repo=x\", then \"pgcairn "
       "'--config=/etc/my conf.toml' --stanza=main --repo=local stanza-create\""},
      {"run once: pgcairn --stanza=main --repo=away expire",
       "run once: pgcairn '--config=/etc/my conf.toml' --stanza=main --repo=away expire"},
      {"pgcairn expire\npgcairn expire --repo=x",
       "pgcairn '--config=/etc/my conf.toml' --stanza=main --repo=local expire\n"
       "pgcairn '--config=/etc/my conf.toml' --stanza=main expire --repo=x"},
      // No commands, or none to which it matters.
      {"run \"pgcairn help\"", "run \"pgcairn help\""},
      {"pgcairn runs as postgres", "pgcairn runs as postgres"},
      {"/etc/pgcairn info, my-pgcairn info", "/etc/pgcairn info, my-pgcairn info"},
      {"pgcairn information", "pgcairn information"},
      {"a restore of pgcairn ", "a restore of pgcairn "},
      {"", ""},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(whole_commands(row.text, given) == row.whole);
  }
  CHECK(whole_commands("\"pgcairn info\"", {}) == "\"pgcairn info\"");
}
