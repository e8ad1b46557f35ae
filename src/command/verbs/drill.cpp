#include "open_repositories.hpp"
#include "progress.hpp"
#include "render/render.hpp"
#include "settings/restore_goal.hpp"
#include "verbs.hpp"

#include <pgcairn/engine/drill/drill.hpp>

namespace pgcairn::command {

namespace {

/// The restored server fetches WAL as the cluster that it is.
std::string fetch_command(const Settings& settings) {
  Settings copy = settings;
  copy.pg_path = engine::data_directory_of(settings.drill_path);
  copy.pg_path_overridden = true;
  return restore_command(own_path(), copy);
}

engine::SandboxUse sandbox_use(const std::string& text) {
  if (text == "required") return engine::SandboxUse::required;
  return text == "off" ? engine::SandboxUse::off : engine::SandboxUse::automatic;
}

engine::DrillOptions drill_options(const Settings& settings) {
  engine::DrillOptions options;
  options.directory = settings.drill_path;
  options.restore = restore_goal(settings).options;
  options.restore.restore_command = fetch_command(settings);
  options.programs = settings.pg_bin;
  options.user = settings.connection.user;
  options.timeout = settings.drill_timeout;
  options.sandbox = sandbox_use(settings.drill_sandbox);
  for (const std::string& query : settings.drill_sql)
    options.questions.push_back(engine::parse_drill_question(query));
  options.foreign_keys = settings.foreign_keys;
  options.keep = settings.keep;
  options.record = settings.record;
  return options;
}

}  // namespace

ExitCode drill(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  ProgressLine progress(session.console);
  const engine::DrillResult result = engine::drill(
      {settings.stanza, settings.pg_path, {}, other_places(settings), own_files(settings)},
      repositories, drill_options(settings), progress, session.stop);
  session.console.progress("");
  print(settings.output == Form::json ? drill_json(result, settings.stanza) : drill_text(result));
  if (!result.findings.empty()) return ExitCode::damaged;
  return result.good() ? ExitCode::done : ExitCode::failed;
}

}  // namespace pgcairn::command
