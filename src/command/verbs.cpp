#include "verbs.hpp"

namespace pgcairn::command {

namespace {

// In the order in which help shows them. A line a verb: a test reads them here.
constexpr Verb kVerbs[] = {
    {"stanza-create", stanza_create, "", 0, 0, "prepare the repositories for a cluster"},
    {"archive-push", archive_push, "PATH", 1, 1, "store a WAL file (archive_command)"},
    {"archive-get", archive_get, "NAME DEST", 2, 2, "fetch a WAL file (restore_command)"},
    {"check", check, "", 0, 0, "prove that the server's WAL arrives in every repository"},
    {"backup", backup, "", 0, 0, "back up a running cluster"},
    {"info", info, "", 0, 0, "show the backups and the archived WAL"},
    {"restore", restore, "", 0, 0, "bring a cluster back, to its latest state or to a time"},
    {"verify", verify, "", 0, 0, "compare the repositories with what they should hold"},
    {"help", help, "[COMMAND]", 0, 1, "show the commands, or all about one"},
    {"version", version, "", 0, 0, "show the version"},
};

}  // namespace

std::span<const Verb> all_verbs() {
  return kVerbs;
}

const Verb* find_verb(std::string_view name) {
  for (const Verb& verb : kVerbs) {
    if (verb.name == name) return &verb;
  }
  return nullptr;
}

}  // namespace pgcairn::command
