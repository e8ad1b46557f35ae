#include "cluster.hpp"
#include "progress.hpp"
#include "render.hpp"
#include "target_time.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/restore.hpp>

namespace pgcairn::command {

namespace {

engine::RestoreType restore_type(std::string_view name) {
  for (const engine::RestoreType type : all_restore_types()) {
    if (name_of(type) == name) return type;
  }
  PGCAIRN_ASSERT(!"settings know all types");
}

engine::TimelineChoice timeline_choice(const std::string& text) {
  using Kind = engine::TimelineChoice::Kind;
  if (text == "latest") return {Kind::latest, 0};
  if (text == "current") return {Kind::current, 0};
  return {Kind::number, static_cast<Timeline>(parse_u64(text).value_or(0))};
}

engine::RestoreOptions restore_options(const Settings& settings,
                                       const std::optional<TargetTime>& target) {
  engine::RestoreOptions options;
  options.set = settings.set;
  options.accept_damage = settings.accept_damage;
  options.type = restore_type(settings.type);
  if (target) options.target_time = target->when;
  options.target_lsn = settings.target_lsn;
  options.target_xid = settings.target_xid;
  if (options.type == engine::RestoreType::name) options.target_name = settings.target;
  options.target_exclusive = settings.target_exclusive;
  options.target_action = settings.target_action;
  options.timeline = timeline_choice(settings.target_timeline);
  options.archive_off = settings.archive_off;
  options.recovery_options = settings.recovery_options;
  options.tablespace_map = settings.tablespace_map;
  options.db_include = settings.db_include;
  options.db_exclude = settings.db_exclude;
  options.tablespace_map_all = settings.tablespace_map_all;
  options.link_map = settings.link_map;
  options.delta = settings.delta;
  options.link_all = settings.link_all;
  options.config_to = settings.config_to;
  options.copy = settings.pg_path_overridden;
  options.restore_command = restore_command(own_path(), settings);
  options.workers = settings.process_max;
  return options;
}

}  // namespace

ExitCode restore(const Session& session) {
  const Settings& settings = session.settings;
  std::optional<TargetTime> target;
  if (settings.type == "time") target = parse_target_time(settings.target, now(), local_zone());

  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const engine::RestorePlan plan =
      engine::plan_restore(cluster_of(settings), repositories, restore_options(settings, target));
  const bool json = settings.output == Form::json;
  if (!json) print(restore_plan_text(plan, target));
  std::optional<engine::RestoreResult> result;
  if (!settings.dry_run) {
    ProgressLine progress(session.console);
    result = engine::run_restore(plan, progress, session.stop);
  }
  print(json ? restore_json(plan, result) : restore_end_text(plan, result));
  return ExitCode::done;
}

}  // namespace pgcairn::command
