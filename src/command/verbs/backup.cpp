#include "verbs/backup.hpp"

#include "open_repositories.hpp"
#include "progress.hpp"
#include "render/render.hpp"
#include "settings/retention.hpp"
#include "verbs.hpp"
#include "verbs/labels.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/backup/backup.hpp>
#include <pgcairn/engine/expire/expire.hpp>
#include <pgcairn/engine/expire/hold.hpp>
#include <pgcairn/engine/wal/branch.hpp>
#include <pgcairn/postgres/excluded.hpp>

#include <algorithm>
#include <span>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"type", ValueKind::choice, kShell, "TYPE", "incr", "full|incr|diff", 0, 0,
     "full copies everything, incr what changed since the last backup, diff since the last full "
     "one"},
    {"start-fast", ValueKind::flag, kTuning, "", "false", "", 0, 0,
     "ask the server for an immediate checkpoint"},
    {"delta", ValueKind::flag, kShell, "", "false", "", 0, 0,
     "compare every page with the last backup, without using WAL summaries"},
    {"wal", ValueKind::choice, kTuning, "HOW", "archive", "archive|copy", 0, 0,
     "copy: the backup stores the WAL that it needs itself, without an archive"},
    {"include-path", ValueKind::paths, on_command_line | in_stanza, "PATH", "", "", 0, 0,
     "also back up this file or directory outside the data directory; repeatable"},
    {"exclude", ValueKind::list, on_command_line | in_stanza, "PATH", "", "", 0, 0,
     "leave out this path of the data directory, and what is below it; repeatable"},
    {"annotation", ValueKind::list, on_command_line, "KEY=TEXT", "", "", 0, 0,
     "add this note to the backup, as annotate does; repeatable"},
    {"hold", ValueKind::text, kShell, "REASON", "", "", 0, 0,
     "protect the backup from expire, as hold does, until unhold"},
    {"expire-auto", ValueKind::flag, kTuning, "", "true", "", 0, 0,
     "run expire afterwards, if there are retention settings (the default)"},
};

engine::BackupOptions backup_options(const Settings& settings, const BackupSettings& own) {
  engine::BackupOptions options;
  options.type = own.type;
  options.compare_all = own.delta;
  options.resume = own.resume;
  options.copy_wal = own.copy_wal;
  options.start_fast = own.start_fast;
  options.workers = settings.process_max;
  options.codec = settings.compress_type;
  options.level = settings.compress_level;
  options.include_paths = own.include_paths;
  options.exclude = own.exclude;
  options.archive_timeout = settings.archive_timeout;
  return options;
}

/// After the backup, which is not affected: an error is a warning.
ExitCode expire_after(const Session& session, repo::Repository& repository,
                      const repo::RetentionPolicy& policy, engine::Progress& progress) {
  if (policy.empty()) return ExitCode::done;
  try {
    engine::ExpireOptions options;
    options.policy = policy;
    const engine::ExpireResult result =
        engine::expire(session.settings.stanza, repository, options, progress, session.stop);
    session.console.progress("");
    log_info(format("expire removed {}", expire_summary(result)));
    for (const engine::ExpiredBackup& backup : result.plan.backups) {
      if (!backup.keep)
        log_info(format("expire removed backup {}: {}", backup.label, reasons_text(backup)));
    }
    return ExitCode::done;
  } catch (const Error& error) {
    session.console.progress("");
    log_warn(format("the backup is complete, but the expire after it was not: {}", error.render()));
  }
  return ExitCode::warnings;
}

/// Notes and a hold, in every repository that has the backup. It stands whatever comes of them.
ExitCode remember(const Session& session, const BackupSettings& own,
                  std::span<repo::Repository> targets, const std::string& label) try {
  const std::string& stanza = session.settings.stanza;
  if (!own.hold.empty()) engine::hold_backup(stanza, targets, {label, own.hold, std::nullopt});
  std::vector<repo::AnnotationRecord> notes;
  for (const std::string& word : own.annotations) notes.push_back(annotation_of(label, word));
  if (!notes.empty()) engine::annotate_backup(stanza, targets, label, notes);
  return ExitCode::done;
} catch (const Error& error) {
  log_warn(format("backup {} is complete, but its hold or its notes are not everywhere: {}", label,
                  error.render()));
  return ExitCode::warnings;
}

/// A backup on a branch that was left is one that no restore takes unless it is named, and its
/// cluster is perhaps an old primary: it must not cost a backup of the newest branch. Empty: it is
/// on the way to that, in each repository.
std::string why_left(std::span<repo::Repository> repositories, const std::string& stanza,
                     const engine::TakenBackup& taken) {
  for (repo::Repository& repository : repositories) {
    const auto& has = taken.repositories;
    if (std::find(has.begin(), has.end(), repository.name()) == has.end()) continue;
    try {
      if (const auto why = engine::why_left(repository, stanza, taken.info)) return *why;
    } catch (const Error& error) {
      return format("it is not known which branch is the newest: {}", error.message());
    }
  }
  return {};
}

Error not_everywhere(const engine::TakenBackup& taken) {
  std::string message = format("backup {} is not in every repository", taken.info.label);
  for (const engine::FailedRepository& one : taken.failed)
    message += format("\n  repository \"{}\": {}", one.name, one.reason);
  return Error(std::move(message),
               "it is complete in the others; \"pgcairn repo-copy\" brings it to these when they "
               "are repaired");
}

ExitCode run(const Session& session, const BackupSettings& own) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  std::span<repo::Repository> targets = repositories;
  if (targets.size() > 1 && !settings.repositories_named) {
    targets = targets.first(1);
    log_info(format("backing up to repository \"{}\", the first of {}; --repo names others, or all",
                    targets.front().name(), repositories.size()));
  }
  ProgressLine progress(session.console);
  engine::TakenBackup taken = engine::take_backup(
      cluster_of(settings), backup_options(settings, own), targets, progress, session.stop);
  session.console.progress("");
  const std::string& left = taken.left_branch = why_left(targets, settings.stanza, taken);
  print(settings.output == Form::json ? backup_json(taken) : backup_text(taken));
  const bool is_well = taken.info.page_errors.empty() && !taken.archiver_stuck;
  ExitCode code = is_well ? ExitCode::done : ExitCode::warnings;
  if (remember(session, own, targets, taken.info.label) != ExitCode::done)
    code = ExitCode::warnings;
  if (!left.empty()) {
    log_warn(format(
        "backup {} is on a branch that was left, on timeline {}: {}. No restore uses it "
        "unless --target-timeline={} or --set names it, and nothing was expired. If this "
        "server is an old primary, stop it. If it is the one to keep, a promotion (a "
        "switchover) gives it a timeline that is newer",
        taken.info.label, engine::timeline_text(taken.info.timeline), left, taken.info.timeline));
    code = ExitCode::warnings;
  }
  for (std::size_t i = 0; own.expire_auto && i < targets.size(); ++i) {
    const std::string& name = targets[i].name();
    const auto& has = taken.repositories;
    if (!left.empty() || std::find(has.begin(), has.end(), name) == has.end()) continue;
    const repo::RetentionPolicy retention = retention_of(settings.repositories[i]);
    if (expire_after(session, targets[i], retention, progress) != ExitCode::done)
      code = ExitCode::warnings;
  }
  if (!taken.failed.empty()) throw not_everywhere(taken);
  return code;
}

std::string load_excluded(const Value& value) {
  const auto path = postgres::excluded_path(value.text);
  if (!path) {
    throw UsageError(format("{} must be a path below the data directory and relative to it, not "
                            "\"{}\"",
                            value.origin, value.text),
                     "write exclude = [\"log\"] for the directory \"log\" of the data directory");
  }
  if (const auto reason = postgres::why_needed(*path)) {
    throw UsageError(format("{} cannot exclude \"{}\": {}", value.origin, *path, *reason),
                     "a backup without it could not be restored");
  }
  return *path;
}

}  // namespace

BackupSettings load_backup(const OptionSources& options, const Settings&) {
  BackupSettings own;
  own.type = *repo::parse_backup_type(options.text_of("type", "incr"));
  own.delta = options.is_set("delta");
  own.start_fast = options.is_set("start-fast");
  own.resume = options.is_set("resume", true);
  own.copy_wal = options.text_of("wal") == "copy";
  for (const Value& path : options.all("include-path"))
    own.include_paths.push_back(options.path_of(path));
  for (const Value& path : options.all("exclude")) own.exclude.push_back(load_excluded(path));
  for (const Value& word : options.all("annotation")) {
    annotation_of({}, word.text);
    own.annotations.push_back(word.text);
  }
  own.hold = options.text_of("hold");
  own.expire_auto = options.is_set("expire-auto", true);
  return own;
}

constinit const Verb kBackup = {
    .name = "backup",
    .summary = "back up a running cluster",
    .description = lines(R"(
Copies the running cluster, checks its pages, and waits for the WAL that makes the copy
consistent. A backup is listed only when it is complete and can be restored.
)"),
    .examples = lines(R"(
pgcairn backup
pgcairn --stanza=main --repo=local --start-fast --process-max=4 backup
)"),
    .exit_status = lines(R"(
    3  done, with warnings: damaged pages, a branch that was left, or expire failed
   13  PostgreSQL cannot be reached, is not supported, or is not the stanza's cluster
)"),
    .options = kOptions,
    .takes =
        "stanza repo process-max limit-rate compress-type compress-level archive-timeout resume "
        "pg-path pg-host pg-socket-path pg-port pg-user pg-database quiet output",
    .load = with_settings<load_backup, run>,
    .cluster = ClusterUse::directory,
    .runs_often = true,
    .refused_when_stopped = true,
};

}  // namespace pgcairn::command
