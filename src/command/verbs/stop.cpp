#include "open_repositories.hpp"
#include "render/render.hpp"
#include "stop_file.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/stanza/stop.hpp>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"reason", ValueKind::text, on_command_line, "TEXT", "", "", 0, 0,
     "why; shown by the commands that the stop refuses"},
};

/// A stop on this host is a stop for every repository: one that was named would be ignored.
bool load_all_hosts(const OptionSources& options, const Settings& settings) {
  const bool all_hosts = options.is_set("all-hosts");
  if (all_hosts || !settings.repositories_named) return all_hosts;
  throw UsageError(format("{} takes --repo only with --all-hosts", settings.verb->name),
                   format("without it, {} is about this host and all repositories: remove --repo, "
                          "or add --all-hosts",
                          settings.verb->name));
}

struct StopSettings {
  bool all_hosts = false;
  std::string reason;
};

StopSettings load_stop(const OptionSources& options, const Settings& settings) {
  return {load_all_hosts(options, settings), options.text_of("reason")};
}

ExitCode run_stop(const Session& session, const StopSettings& own) {
  const Settings& settings = session.settings;
  if (own.all_hosts) {
    std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
    const auto stopped = engine::stop_stanza(settings.stanza, own.reason, repositories);
    forget_repositories(settings);
    print(settings.output == Form::json ? stopped_json(settings.stanza, true, stopped)
                                        : stopped_text(settings.stanza, true, stopped));
    return ExitCode::done;
  }
  const bool changed = write_stop_file(settings, own.reason);
  print(settings.output == Form::json ? stopped_here_json(settings.stanza, true, changed)
                                      : stopped_here_text(settings.stanza, true, changed));
  return ExitCode::done;
}

ExitCode run_start(const Session& session, const bool& all_hosts) {
  const Settings& settings = session.settings;
  if (all_hosts) {
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

}  // namespace

constinit const Verb kStop = {
    .name = "stop",
    .summary = "refuse to back up, archive and expire, on this host or on all",
    .description = lines(R"(
Makes backup, archive-push, check, expire, repo-copy, stanza-create and stanza-upgrade fail
until "pgcairn start": on this host, or with --all-hosts in the repositories, for every host.
Commands that already run are not ended.
)"),
    .examples = lines(R"(
pgcairn --stanza=main stop
pgcairn --stanza=main --all-hosts --reason="moving the repository" stop
)"),
    .options = kOptions,
    .takes = "stanza repo all-hosts output",
    .load = with_settings<load_stop, run_stop>,
    .cluster = ClusterUse::configured,
    .keeps_state = true,
};

constinit const Verb kStart = {
    .name = "start",
    .summary = "end a stop",
    .description = lines(R"(
Ends a stop, on this host or with --all-hosts in the repositories.
)"),
    .examples = lines(R"(
pgcairn --stanza=main start
pgcairn --stanza=main --all-hosts start
)"),
    .takes = "stanza repo all-hosts output",
    .load = with_settings<load_all_hosts, run_start>,
    .cluster = ClusterUse::configured,
};

}  // namespace pgcairn::command
