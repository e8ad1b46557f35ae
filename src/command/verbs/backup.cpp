#include "open_repositories.hpp"
#include "progress.hpp"
#include "render/render.hpp"
#include "settings/retention.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/backup/backup.hpp>
#include <pgcairn/engine/expire/expire.hpp>
#include <pgcairn/engine/wal/branch.hpp>

#include <algorithm>
#include <span>

namespace pgcairn::command {

namespace {

engine::BackupOptions backup_options(const Settings& settings) {
  engine::BackupOptions options;
  options.type = settings.backup_type;
  options.compare_all = settings.delta;
  options.resume = settings.resume;
  options.copy_wal = settings.copy_wal;
  options.start_fast = settings.start_fast;
  options.workers = settings.process_max;
  options.codec = settings.compress_type;
  options.level = settings.compress_level;
  options.include_paths = settings.include_paths;
  options.archive_timeout = settings.archive_timeout;
  return options;
}

/// Afterwards: the backup stands whatever comes of it, and what went wrong is a warning.
ExitCode expire_after(const Session& session, repo::Repository& repository,
                      const repo::RetentionPolicy& policy, engine::Progress& progress) {
  if (!session.settings.expire_auto || policy.empty()) return ExitCode::done;
  try {
    engine::ExpireOptions options;
    options.policy = policy;
    const engine::ExpireResult result =
        engine::expire(session.settings.stanza, repository, options, progress, session.stop);
    session.console.progress("");
    log_info(format("expire removed {}", expire_summary(result)));
    return ExitCode::done;
  } catch (const Error& error) {
    session.console.progress("");
    log_warn(format("the backup is complete, but the expire after it was not: {}", error.render()));
  }
  return ExitCode::warnings;
}

/// A backup on a branch that was left is one that no restore takes unless it is told, and its
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

}  // namespace

ExitCode backup(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  std::span<repo::Repository> targets = repositories;
  if (targets.size() > 1 && !settings.repositories_named) {
    targets = targets.first(1);
    log_info(format("backing up to repository \"{}\", the first of {}; --repo names others, or all",
                    targets.front().name(), repositories.size()));
  }
  ProgressLine progress(session.console);
  engine::TakenBackup taken = engine::take_backup(cluster_of(settings), backup_options(settings),
                                                  targets, progress, session.stop);
  session.console.progress("");
  const std::string& left = taken.left_branch = why_left(targets, settings.stanza, taken);
  print(settings.output == Form::json ? backup_json(taken) : backup_text(taken));
  const bool is_well = taken.info.page_errors.empty() && !taken.archiver_stuck;
  ExitCode code = is_well ? ExitCode::done : ExitCode::warnings;
  if (!left.empty()) {
    log_warn(format(
        "backup {} is on a branch that was left, on timeline {}: {}. No restore uses it "
        "unless --target-timeline={} or --set names it, and nothing was expired. If this "
        "server is an old primary, stop it. If it is the one to keep, a promotion (a "
        "switchover) gives it a timeline that is newer",
        taken.info.label, engine::timeline_text(taken.info.timeline), left, taken.info.timeline));
    code = ExitCode::warnings;
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
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

}  // namespace pgcairn::command
