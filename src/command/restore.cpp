#include "cluster.hpp"
#include "progress.hpp"
#include "render.hpp"
#include "restore_goal.hpp"
#include "verbs.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/restore.hpp>

namespace pgcairn::command {

namespace {

/// Whatever links lead there.
bool is_same_place(const std::filesystem::path& one, const std::filesystem::path& other) {
  std::error_code unknown;
  return !other.empty() && (std::filesystem::equivalent(one, other, unknown) ||
                            std::filesystem::weakly_canonical(one, unknown) ==
                                std::filesystem::weakly_canonical(other, unknown));
}

/// With its directory where that is known: on Debian it is in no PATH.
std::string pg_ctl(const std::filesystem::path& programs, int major) {
  for (const std::filesystem::path& place :
       {programs, std::filesystem::path(format("/usr/lib/postgresql/{}/bin", major)),
        std::filesystem::path(format("/usr/pgsql-{}/bin", major))}) {
    std::error_code unknown;
    if (!place.empty() && std::filesystem::exists(place / "pg_ctl", unknown))
      return (place / "pg_ctl").string();
  }
  return "pg_ctl";
}

engine::RestoreOptions restore_options(const Settings& settings, engine::RestoreOptions options) {
  options.target_action = settings.target_action;
  options.archive_off = settings.archive_off;
  options.archive_kept = settings.archive_kept;
  options.accept_gap = settings.accept_gap;
  options.recovery_options = settings.recovery_options;
  options.tablespace_map = settings.tablespace_map;
  options.db_include = settings.db_include;
  options.db_exclude = settings.db_exclude;
  options.tablespace_map_all = settings.tablespace_map_all;
  options.link_map = settings.link_map;
  options.delta = settings.delta;
  options.remove_tablespaces = settings.remove_tablespaces;
  options.link_all = settings.link_all;
  options.server_is_stopped = settings.server_is_stopped;
  options.config_to = settings.config_to;
  options.original = settings.configured_pg_path;
  // Where none is configured, the cluster has no other place.
  options.copy = !settings.configured_pg_path.empty() &&
                 !is_same_place(settings.pg_path, settings.configured_pg_path);
  options.replaces = options.copy && settings.replace;
  options.isolated =
      options.copy && !options.replaces && options.type != engine::RestoreType::standby;
  options.allow_tablespaces = settings.allow_tablespaces;
  options.restore_command = restore_command(own_path(), settings);
  return options;
}

engine::RestorePlan make_plan(const Session& session, const RestoreGoal& goal,
                              std::span<repo::Repository> repositories) {
  ProgressLine progress(session.console);
  return engine::plan_restore(cluster_of(session.settings), repositories,
                              restore_options(session.settings, goal.options), progress,
                              session.stop);
}

}  // namespace

ExitCode restore(const Session& session) {
  const Settings& settings = session.settings;
  const RestoreGoal goal = restore_goal(settings);
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const engine::RestorePlan plan = make_plan(session, goal, repositories);
  const bool json = settings.output == Form::json;
  if (!json) print(restore_plan_text(plan, goal.target));
  std::optional<engine::RestoreResult> result;
  if (!settings.dry_run) {
    ProgressLine progress(session.console);
    result = engine::run_restore(plan, progress, session.stop);
  }
  print(json ? restore_json(plan, result)
             : restore_end_text(plan, result, pg_ctl(settings.pg_bin, plan.backup.pg_version)));
  // Damaged pages come back as they were copied: nobody should find that out from a query.
  return plan.backup.page_error_count() > 0 ? ExitCode::warnings : ExitCode::done;
}

}  // namespace pgcairn::command
