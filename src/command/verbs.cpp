#include "verbs.hpp"

namespace pgcairn::command {

namespace {

// In the order in which help shows them. A line a verb: a test reads them here.
constexpr Verb kVerbs[] = {
    {"stanza-create", stanza_create, "", 0, 0, "prepare the repositories for a cluster", true},
    {"archive-push", archive_push, "PATH", 1, 1, "store a WAL file (archive_command)", true},
    {"archive-get", archive_get, "NAME DEST", 2, 2, "fetch a WAL file (restore_command)"},
    {"check", check, "", 0, 0, "prove that the server's WAL arrives in every repository", true},
    {"backup", backup, "", 0, 0, "back up a running cluster", true},
    {"info", info, "", 0, 0, "show backups and the times that they can be restored to"},
    {"report", report, "", 0, 0, "write info and its history as a web page", false, true},
    {"health", health, "", 0, 0, "check backups and archiving for monitoring; changes nothing"},
    {"metrics", metrics, "", 0, 0, "write what health measures for Prometheus", false, true},
    {"restore", restore, "", 0, 0, "restore a cluster, to its latest state or to a time", false,
     true},
    {"verify", verify, "", 0, 0, "compare the repositories with what they should hold"},
    {"drill", drill, "", 0, 0, "test a backup by restoring it into a separate cluster"},
    {"expire", expire, "", 0, 0, "remove backups and WAL that retention does not keep", true},
    {"hold", hold, "LABEL", 1, 1, "protect a backup from expire"},
    {"unhold", unhold, "LABEL", 1, 1, "release the holds of a backup"},
    {"annotate", annotate, "LABEL KEY=TEXT...", 2, 100, "add notes to a backup"},
    {"repo-ls", repo_ls, "[PATH]", 0, 1, "list the objects of a repository"},
    {"repo-get", repo_get, "KEY [FILE]", 1, 2, "fetch an object, decrypted and decompressed", false,
     true},
    {"repo-copy", repo_copy, "", 0, 0, "copy a backup and its WAL to another repository", true},
    {"stop", stop, "", 0, 0, "refuse to back up, archive and expire, on this host or on all"},
    {"start", start, "", 0, 0, "end a stop"},
    {"stanza-upgrade", stanza_upgrade, "", 0, 0, "add the cluster to its stanza after pg_upgrade",
     true},
    {"stanza-delete", stanza_delete, "", 0, 0, "remove a stanza, all its backups and its WAL"},
    {"key-list", key_list, "", 0, 0, "list the key slots of encrypted repositories"},
    {"key-add", key_add, "", 0, 0, "add a key slot"},
    {"key-remove", key_remove, "SLOT", 1, 1, "remove a key slot"},
    {"key-rotate", key_rotate, "", 0, 0, "replace this key by another"},
    {"help", help, "[COMMAND]", 0, 1, "list the commands, or show the help of one", false, true},
    {"version", version, "", 0, 0, "show the version", false, true},
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
