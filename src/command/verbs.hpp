#pragma once

#include "console.hpp"
#include "exit_codes.hpp"
#include "settings/settings.hpp"

#include <cstddef>
#include <span>
#include <stop_token>
#include <string_view>

namespace pgcairn::command {

/// What a verb is given: all that the operator said, and how he stops it.
struct Session {
  const Settings& settings;
  Console& console;
  std::stop_token stop;
};

/// Does the work, writes the result to standard output. Throws what went wrong; the code says how
/// it went right.
using VerbFunction = ExitCode (*)(const Session& session);

struct Verb {
  std::string_view name;
  VerbFunction run;
  std::string_view operands;  // as help shows them
  std::size_t least_operands;
  std::size_t most_operands;
  std::string_view summary;
  bool writes = false;  // into the repositories: refused while the stanza is stopped on this host
  /// Started by root it stays root, to write where the operator says, for whomever. Others act as
  /// the owner of what they touch: see act_as_owner().
  bool stays_root = false;
};

std::span<const Verb> all_verbs();
/// Null: no such verb.
const Verb* find_verb(std::string_view name);

ExitCode backup(const Session& session);
ExitCode restore(const Session& session);
ExitCode archive_push(const Session& session);
ExitCode archive_get(const Session& session);
ExitCode check(const Session& session);
ExitCode info(const Session& session);
ExitCode report(const Session& session);
ExitCode health(const Session& session);
ExitCode metrics(const Session& session);
ExitCode verify(const Session& session);
ExitCode expire(const Session& session);
ExitCode hold(const Session& session);
ExitCode unhold(const Session& session);
ExitCode annotate(const Session& session);
ExitCode drill(const Session& session);
ExitCode repo_ls(const Session& session);
ExitCode repo_get(const Session& session);
ExitCode repo_copy(const Session& session);
ExitCode stanza_create(const Session& session);
ExitCode stanza_upgrade(const Session& session);
ExitCode stanza_delete(const Session& session);
ExitCode stop(const Session& session);
ExitCode start(const Session& session);
ExitCode key_list(const Session& session);
ExitCode key_add(const Session& session);
ExitCode key_remove(const Session& session);
ExitCode key_rotate(const Session& session);
ExitCode help(const Session& session);
ExitCode version(const Session& session);

}  // namespace pgcairn::command
