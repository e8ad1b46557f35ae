#include "open_repositories.hpp"
#include "render/render.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <iostream>

#include <unistd.h>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"force", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "do not ask for the stanza's name; with several repositories, --repo says which"},
};

struct DeleteSettings {
  bool dry_run = false;
  bool force = false;  // without being asked
};

DeleteSettings load(const OptionSources& options, const Settings&) {
  return {options.is_set("dry-run"), options.is_set("force")};
}

/// Asks at the terminal for the stanza's name.
void confirm_deletion(const Settings& settings, std::span<const engine::StanzaContent> contents) {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) {
    throw UsageError(format("stanza-delete asks for the stanza's name, and there is no terminal"),
                     "add --dry-run to see what would go, --force to do it without being asked");
  }
  std::cerr << stanza_content_text(settings.stanza, contents)
            << "All of this goes, and nothing brings it back. Type the stanza's name to go on: "
            << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  if (answer != settings.stanza)
    throw UsageError(format("\"{}\" is not the stanza's name: nothing was removed", answer));
}

/// Nobody sees what goes: with --force, one word must not empty several repositories.
void require_named_repositories(const Settings& settings) {
  if (settings.repositories.size() < 2 || settings.repositories_named) return;
  throw UsageError(
      format("stanza-delete --force would remove stanza \"{}\" from {} repositories",
             settings.stanza, settings.repositories.size()),
      format("name one, such as --repo={}, or say --repo=all", settings.repositories.front().name));
}

ExitCode run(const Session& session, const DeleteSettings& own) {
  const Settings& settings = session.settings;
  if (own.force && !own.dry_run) require_named_repositories(settings);
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const auto contents = engine::read_stanza_content(settings.stanza, repositories);
  if (!own.dry_run) {
    if (!own.force) confirm_deletion(settings, contents);
    engine::delete_stanza(settings.stanza, repositories, session.stop);
    forget_repositories(settings);
  }
  print(settings.output == Form::json
            ? stanza_deleted_json(settings.stanza, contents, !own.dry_run)
            : stanza_deleted_text(settings.stanza, contents, !own.dry_run));
  return ExitCode::done;
}

}  // namespace

constinit const Verb kStanzaDelete = {
    .name = "stanza-delete",
    .summary = "remove a stanza, all its backups and its WAL",
    .description = lines(R"(
Removes everything that the repositories hold of the stanza. This cannot be undone. Asks for
the stanza's name, unless --force is given. Refused while a backup is held or another command
is running in the stanza.
)"),
    .examples = lines(R"(
pgcairn --stanza=old --dry-run stanza-delete
pgcairn --stanza=old stanza-delete
)"),
    .exit_status = lines(R"(
   11  another command is running in the stanza, or a backup is held
)"),
    .options = kOptions,
    .takes = "stanza repo dry-run output",
    .load = with_settings<load, run>,
    .frees_space = true,
};

}  // namespace pgcairn::command
