#include "cluster.hpp"
#include "progress.hpp"
#include "render.hpp"
#include "restore_goal.hpp"
#include "verbs.hpp"

#include <pgcairn/engine/restore.hpp>

namespace pgcairn::command {

namespace {

engine::RestoreOptions restore_options(const Settings& settings, engine::RestoreOptions options) {
  options.target_action = settings.target_action;
  options.archive_off = settings.archive_off;
  options.recovery_options = settings.recovery_options;
  options.tablespace_map = settings.tablespace_map;
  options.db_include = settings.db_include;
  options.db_exclude = settings.db_exclude;
  options.tablespace_map_all = settings.tablespace_map_all;
  options.link_map = settings.link_map;
  options.delta = settings.delta;
  options.link_all = settings.link_all;
  options.server_is_stopped = settings.server_is_stopped;
  options.config_to = settings.config_to;
  options.copy = settings.pg_path_overridden;
  options.restore_command = restore_command(own_path(), settings);
  return options;
}

}  // namespace

ExitCode restore(const Session& session) {
  const Settings& settings = session.settings;
  const RestoreGoal goal = restore_goal(settings);
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const engine::RestorePlan plan = engine::plan_restore(cluster_of(settings), repositories,
                                                        restore_options(settings, goal.options));
  const bool json = settings.output == Form::json;
  if (!json) print(restore_plan_text(plan, goal.target));
  std::optional<engine::RestoreResult> result;
  if (!settings.dry_run) {
    ProgressLine progress(session.console);
    result = engine::run_restore(plan, progress, session.stop);
  }
  print(json ? restore_json(plan, result) : restore_end_text(plan, result));
  return ExitCode::done;
}

}  // namespace pgcairn::command
