#include "cluster.hpp"
#include "progress.hpp"
#include "render.hpp"
#include "retention.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/backup.hpp>
#include <pgcairn/engine/expire.hpp>

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

}  // namespace

ExitCode backup(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  repo::Repository& repository = repositories.front();
  if (repositories.size() > 1) {
    log_info(format("backing up to repository \"{}\", the first of {}; name another with --repo",
                    repository.name(), repositories.size()));
  }
  const repo::RetentionPolicy retention = retention_of(settings.repositories.front());
  ProgressLine progress(session.console);
  const repo::BackupInfo taken = engine::take_backup(cluster_of(settings), backup_options(settings),
                                                     repository, progress, session.stop);
  session.console.progress("");
  print(settings.output == Form::json ? backup_json(taken, repository.name())
                                      : backup_text(taken, repository.name()));
  const ExitCode expired = expire_after(session, repository, retention, progress);
  return taken.page_errors.empty() ? expired : ExitCode::warnings;
}

}  // namespace pgcairn::command
