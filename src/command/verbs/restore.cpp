#include "open_repositories.hpp"
#include "progress.hpp"
#include "render/render.hpp"
#include "settings/restore_goal.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/restore/restore.hpp>

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

engine::RestorePlan make_plan(const Session& session, const engine::RestoreOptions& options,
                              std::span<repo::Repository> repositories) {
  ProgressLine progress(session.console);
  return engine::plan_restore(cluster_of(session.settings), repositories, options, progress,
                              session.stop);
}

/// The plan without the backup that `damage` was met in; throws that damage where no other leads to
/// the same place.
engine::RestorePlan next_plan(const Session& session, engine::RestoreOptions& options,
                              const engine::RestorePlan& plan,
                              std::span<repo::Repository> repositories,
                              const DamagedError& damage) {
  options.broken.emplace(plan.backup.label, damage.message());
  try {
    engine::RestorePlan next = make_plan(session, options, repositories);
    log_warn(format("backup {} is skipped, and the restore begins again from another one: {}",
                    plan.backup.label, damage.render()));
    return next;
  } catch (const Error& error) {
    log_warn(format("no other backup leads to the same place: {}", error.message()));
    throw damage;
  }
}

}  // namespace

ExitCode restore(const Session& session) {
  const Settings& settings = session.settings;
  const RestoreGoal goal = restore_goal(settings);
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  engine::RestoreOptions options = restore_options(settings, goal.options);
  engine::RestorePlan plan = make_plan(session, options, repositories);
  const bool json = settings.output == Form::json;
  std::optional<engine::RestoreResult> result;
  while (!result) {
    if (!json) print(restore_plan_text(plan, goal.target));
    if (settings.dry_run) break;
    try {
      ProgressLine progress(session.console);
      result = engine::run_restore(plan, progress, session.stop);
    } catch (const DamagedError& damage) {
      if (!engine::may_pass_over(plan, damage)) throw;
      plan = next_plan(session, options, plan, repositories, damage);
    }
  }
  print(json ? restore_json(plan, result)
             : restore_end_text(plan, result, pg_ctl(settings.pg_bin, plan.backup.pg_version)));
  // Damaged pages come back as they were copied: nobody should find that out from a query.
  return plan.backup.page_error_count() > 0 ? ExitCode::warnings : ExitCode::done;
}

}  // namespace pgcairn::command
