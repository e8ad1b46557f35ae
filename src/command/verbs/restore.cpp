#include "verbs/restore.hpp"

#include "open_repositories.hpp"
#include "progress.hpp"
#include "render/render.hpp"
#include "settings/restore_goal.hpp"
#include "settings/values.hpp"
#include "verbs.hpp"
#include "verbs/restore_advice.hpp"
#include "whole_commands.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/restore/config_only.hpp>
#include <pgcairn/engine/restore/estimate.hpp>
#include <pgcairn/engine/restore/restore.hpp>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"type", ValueKind::choice, kShell, "TYPE", "default",
     "default|immediate|time|xid|lsn|name|standby|preserve|none", 0, 0, "where recovery ends"},
    {"target-action", ValueKind::choice, kShell, "ACTION", "", "pause|promote|shutdown", 0, 0,
     "what the server does at the target (default: its own, pause)"},
    {"delta", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "restore over the cluster's existing directory, and fetch only what differs"},
    {"replace", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "with --pg-path: the restored cluster replaces its original, and is not an isolated copy"},
    {"server-is-stopped", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "confirm that no server uses the directory, in any container or on any host, where restore "
     "cannot prove it"},
    {"archive-mode", ValueKind::choice, kShell, "MODE", "preserve", "preserve|off", 0, 0,
     "off: the restored server does not archive its WAL"},
    {"recovery-option", ValueKind::map, on_command_line, "KEY=VALUE", "", "", 0, 0,
     "set KEY for the restored server, such as primary_conninfo; repeatable"},
    {"tablespace-map", ValueKind::map, on_command_line, "OLD=NEW", "", "", 0, 0,
     "put tablespace OLD (name, oid or path) into directory NEW; repeatable"},
    {"db-include", ValueKind::list, on_command_line, "NAME", "", "", 0, 0,
     "restore the content of this database only; repeatable"},
    {"db-exclude", ValueKind::list, on_command_line, "NAME", "", "", 0, 0,
     "restore this database without its content, to be dropped; repeatable"},
    {"tablespace-map-all", ValueKind::path, kShell, "DIR", "", "", 0, 0,
     "put each tablespace into a directory with its name below DIR"},
    {"link-map", ValueKind::map, on_command_line, "PATH=DEST", "", "", 0, 0,
     "put PATH of the data directory (such as pg_wal) at DEST, with a symbolic link; repeatable"},
    {"link-all", ValueKind::flag, kShell, "", "false", "", 0, 0,
     "restore the symbolic links of the data directory as links"},
    {"space-check", ValueKind::flag, kTuning, "", "true", "", 0, 0,
     "refuse a restore whose files are larger than the free space (the default)"},
    {"remove-tablespace", ValueKind::list, on_command_line, "DIR", "", "", 0, 0,
     "with --delta: empty DIR, a tablespace of this cluster that is newer than the backup; "
     "repeatable"},
    {"discard-wal", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "with --delta: give up WAL that is in pg_wal only, and what was committed in it"},
    {"config-to", ValueKind::path, kShell, "DIR", "", "", 0, 0,
     "restore files from outside the data directory into DIR"},
    {"only", ValueKind::choice, on_command_line, "WHAT", "", "config", 0, 0,
     "config: restore the server's configuration files into --config-to, and nothing else"},
};

/// Whatever links lead there.
bool is_same_place(const std::filesystem::path& one, const std::filesystem::path& other) {
  std::error_code unknown;
  return !other.empty() && (std::filesystem::equivalent(one, other, unknown) ||
                            std::filesystem::weakly_canonical(one, unknown) ==
                                std::filesystem::weakly_canonical(other, unknown));
}

engine::RestoreOptions restore_options(const Settings& settings, const RestoreSettings& own,
                                       engine::RestoreOptions options) {
  options.target_action = own.target.action;
  options.archive_off = own.archive_off;
  options.archive_kept = own.archive_kept;
  options.accept_gap = own.accept_gap;
  options.recovery_options = own.recovery_options;
  options.tablespace_map = own.tablespace_map;
  options.db_include = own.db_include;
  options.db_exclude = own.db_exclude;
  options.tablespace_map_all = own.tablespace_map_all;
  options.link_map = own.link_map;
  options.delta = own.delta;
  options.discard_wal = own.discard_wal;
  options.remove_tablespaces = own.remove_tablespaces;
  options.link_all = own.link_all;
  options.space_check = own.space_check;
  options.server_is_stopped = own.server_is_stopped;
  options.config_to = own.config_to;
  options.original = settings.configured_pg_path;
  options.original_port = settings.connection.port;
  options.dry_run = own.dry_run;
  // Where none is configured, the cluster has no other place.
  options.copy = !settings.configured_pg_path.empty() &&
                 !is_same_place(settings.pg_path, settings.configured_pg_path);
  options.replaces = options.copy && own.replace;
  options.isolated =
      options.copy && !options.replaces && options.target.type() != engine::RestoreType::standby;
  options.allow_tablespaces = own.allow_tablespaces;
  options.restore_command = restore_command(own_path(), settings);
  return options;
}

engine::RestorePlan make_plan(const Session& session, const engine::RestoreOptions& options,
                              std::span<repo::Repository> repositories) {
  ProgressLine progress(session.console);
  return engine::plan_restore(cluster_of(session.settings), repositories, options, progress,
                              session.stop);
}

/// The plan without the backup that `damage` was met in; throws that damage where no other
/// reaches the same end.
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
    log_warn(format("no other backup reaches the same end: {}", error.message()));
    throw damage;
  }
}

/// The configuration alone, which a new server needs before the data.
ExitCode run_config(const Session& session, const RestoreSettings& own) {
  const Settings& settings = session.settings;
  const RestoreGoal goal = restore_goal(own.target, settings.process_max);
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  engine::RestoreOptions options = goal.options;
  options.config_to = own.config_to;
  ProgressLine progress(session.console);
  const engine::ConfigPlan plan = engine::plan_config_restore(cluster_of(settings), repositories,
                                                              options, progress, session.stop);
  const bool json = settings.output == Form::json;
  if (!json) print(config_plan_text(plan));
  std::optional<engine::RestoreResult> result;
  if (!own.dry_run) result = engine::run_config_restore(plan, progress, session.stop);
  print(json ? config_json(plan, result)
             : whole_commands(config_end_text(plan, result), session.given));
  return ExitCode::done;
}

ExitCode run(const Session& session, const RestoreSettings& own) {
  if (own.only_config) return run_config(session, own);
  const Settings& settings = session.settings;
  const RestoreGoal goal = restore_goal(own.target, settings.process_max);
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  engine::RestoreOptions options = restore_options(settings, own, goal.options);
  engine::RestorePlan plan = make_plan(session, options, repositories);
  const bool json = settings.output == Form::json;
  std::optional<engine::RestoreResult> result;
  std::optional<engine::RestoreEstimate> estimate;
  while (!result) {
    estimate = engine::estimate_restore(plan);
    if (!json) print(whole_commands(restore_plan_text(plan, goal.target, estimate), session.given));
    if (own.dry_run) break;
    try {
      ProgressLine progress(session.console);
      result = engine::run_restore(plan, progress, session.stop);
    } catch (const DamagedError& damage) {
      if (!engine::may_pass_over(plan, damage)) throw;
      plan = next_plan(session, options, plan, repositories, damage);
    }
  }
  print(json ? restore_json(plan, result, estimate)
             : whole_commands(restore_end_text(plan, result, server_words(plan, own.pg_bin)),
                              session.given));
  // Damaged pages come back as they were copied: nobody should find that out from a query.
  return plan.backup.page_error_count() > 0 ? ExitCode::warnings : ExitCode::done;
}

/// What a restore of the configuration alone has no use for is a mistake, or a wish that it would
/// not grant.
void load_only(RestoreSettings& own, const OptionSources& options) {
  own.only_config = options.find("only").has_value();
  if (!own.only_config) return;
  for (const char* const name :
       {"type", "target", "target-action", "target-timeline", "target-exclusive", "delta",
        "replace", "archive-mode", "recovery-option", "tablespace-map", "tablespace-map-all",
        "db-include", "db-exclude", "link-map", "link-all", "remove-tablespace", "allow-tablespace",
        "accept-gap", "server-is-stopped"}) {
    if (!options.find(name)) continue;
    throw UsageError(format("restore --only=config has no use for --{}", name),
                     "it takes --config-to, --set, --repo, --dry-run and --output; leave the other "
                     "option for the restore of the data");
  }
  if (!own.config_to.empty()) return;
  throw UsageError("restore --only=config needs --config-to",
                   "name a new directory, such as in \"pgcairn restore --only=config "
                   "--config-to=/root/config\"");
}

void load_delta(RestoreSettings& own, const OptionSources& options) {
  own.delta = options.is_set("delta");
  own.discard_wal = options.is_set("discard-wal");
  own.server_is_stopped = options.is_set("server-is-stopped");
  own.remove_tablespaces = options.absolute_paths("remove-tablespace");
  if (own.delta) return;
  if (own.discard_wal) {
    throw UsageError("restore --discard-wal needs --delta",
                     "without it no pg_wal is emptied but that of an interrupted restore");
  }
  if (own.remove_tablespaces.empty()) return;
  throw UsageError("restore --remove-tablespace needs --delta",
                   "without it nothing is removed but what an interrupted restore wrote");
}

}  // namespace

RestoreSettings load_restore(const OptionSources& options, const Settings& settings) {
  RestoreSettings own;
  own.dry_run = options.is_set("dry-run");
  own.archive_off = options.text_of("archive-mode") == "off";
  own.archive_kept = options.text_of("archive-mode") == "preserve";
  own.replace = options.is_set("replace");
  own.pg_bin = options.path_of("pg-bin");
  own.allow_tablespaces = options.absolute_paths("allow-tablespace");
  if (const auto gap = options.find("accept-gap")) own.accept_gap = segment_of(*gap);
  own.target = load_target(options, settings.verb->name);
  for (auto& [key, value] : options.maps_of("recovery-option")) {
    check_recovery_option(key, own.target.type);
    own.recovery_options.emplace_back(key, value);
  }
  for (const Value& name : options.all("db-include")) own.db_include.push_back(name.text);
  for (const Value& name : options.all("db-exclude")) own.db_exclude.push_back(name.text);
  own.tablespace_map_all = options.path_of("tablespace-map-all").string();
  load_delta(own, options);
  own.config_to = options.path_of("config-to");
  load_only(own, options);
  own.link_all = options.is_set("link-all");
  own.space_check = options.is_set("space-check", true);
  for (const auto& [path, place] : options.maps_of("link-map"))
    own.link_map.emplace(path, options.path_of({place, "", {}}).string());
  for (const auto& [old_place, new_place] : options.maps_of("tablespace-map"))
    own.tablespace_map.emplace(old_place, options.path_of({new_place, "", {}}).string());
  return own;
}

constinit const Verb kRestore = {
    .name = "restore",
    .summary = "restore a cluster, to its latest state or to a time",
    .description = lines(R"(
Chooses the backup for the target, proves that the archive has the WAL to reach it, shows the
plan, and only then changes the data directory, which must be empty or absent. Start the
restored server as usual: it replays WAL up to the target. With a --pg-path other than the
configured one, the result is an isolated copy, which reaches neither archive nor original.
)"),
    .examples = lines(R"(
pgcairn --dry-run restore
pgcairn restore --type=time --target="2026-11-21 02:41:07+00" --target-action=promote
pgcairn restore --type=standby --recovery-option=primary_conninfo="host=primary user=repl"
pgcairn restore --set=20261121-010203F --pg-path=/srv/copy --tablespace-map=fast=/srv/fast
pgcairn restore --only=config --config-to=/root/config
)"),
    .exit_status = lines(R"(
    2  wrong usage or configuration; nothing was touched
    4  an object in the repository is damaged; it is named
   10  no such backup, or nothing in the archive reaches the target; nothing was touched
)"),
    .options = kOptions,
    .takes =
        "stanza repo process-max limit-rate set pg-bin accept-damage target target-exclusive "
        "target-timeline allow-tablespace accept-gap dry-run pg-path output",
    .load = with_settings<load_restore, run>,
    .cluster = ClusterUse::directory,
    .only_reads = true,
    .stays_root = true,
};

}  // namespace pgcairn::command
