#include "open_repositories.hpp"
#include "render/render.hpp"
#include "stop_file.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/stanza/stop.hpp>

namespace pgcairn::command {

namespace {

/// A stop on this host is a stop for every repository: one that was named would be ignored.
void refuse_repo_of_this_host(const Settings& settings) {
  if (settings.all_hosts || !settings.repositories_named) return;
  throw UsageError(format("{} takes --repo only with --all-hosts", settings.verb),
                   format("without it, {} is about this host and all repositories: remove --repo, "
                          "or add --all-hosts",
                          settings.verb));
}

}  // namespace

ExitCode stop(const Session& session) {
  const Settings& settings = session.settings;
  refuse_repo_of_this_host(settings);
  if (settings.all_hosts) {
    std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
    const auto stopped = engine::stop_stanza(settings.stanza, settings.reason, repositories);
    forget_repositories(settings);
    print(settings.output == Form::json ? stopped_json(settings.stanza, true, stopped)
                                        : stopped_text(settings.stanza, true, stopped));
    return ExitCode::done;
  }
  const bool changed = write_stop_file(settings, settings.reason);
  print(settings.output == Form::json ? stopped_here_json(settings.stanza, true, changed)
                                      : stopped_here_text(settings.stanza, true, changed));
  return ExitCode::done;
}

ExitCode start(const Session& session) {
  const Settings& settings = session.settings;
  refuse_repo_of_this_host(settings);
  if (settings.all_hosts) {
    std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
    const auto started = engine::start_stanza(settings.stanza, repositories);
    forget_repositories(settings);
    print(settings.output == Form::json ? stopped_json(settings.stanza, false, started)
                                        : stopped_text(settings.stanza, false, started));
    return ExitCode::done;
  }
  const bool changed = remove_stop_file(settings);
  print(settings.output == Form::json ? stopped_here_json(settings.stanza, false, changed)
                                      : stopped_here_text(settings.stanza, false, changed));
  return ExitCode::done;
}

}  // namespace pgcairn::command
