#include "open_repositories.hpp"
#include "render/render.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <iostream>

#include <unistd.h>

namespace pgcairn::command {

namespace {

/// Asks whoever sits at the terminal for the stanza's name.
void confirm_deletion(const Settings& settings, std::span<const engine::StanzaContent> contents) {
  if (settings.force) return;
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

}  // namespace

ExitCode stanza_create(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const auto created = engine::create_stanza(cluster_of(settings), repositories);
  forget_repositories(settings);
  print(settings.output == Form::json ? stanza_created_json(settings.stanza, created)
                                      : stanza_created_text(settings.stanza, created));
  return ExitCode::done;
}

ExitCode stanza_upgrade(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const auto upgraded = engine::upgrade_stanza(cluster_of(settings), repositories, settings.force);
  forget_repositories(settings);
  print(settings.output == Form::json ? stanza_upgraded_json(settings.stanza, upgraded)
                                      : stanza_upgraded_text(settings.stanza, upgraded));
  return ExitCode::done;
}

ExitCode stanza_delete(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const auto contents = engine::read_stanza_content(settings.stanza, repositories);
  if (!settings.dry_run) {
    confirm_deletion(settings, contents);
    engine::delete_stanza(settings.stanza, repositories, session.stop);
    forget_repositories(settings);
  }
  print(settings.output == Form::json
            ? stanza_deleted_json(settings.stanza, contents, !settings.dry_run)
            : stanza_deleted_text(settings.stanza, contents, !settings.dry_run));
  return ExitCode::done;
}

}  // namespace pgcairn::command
