#include "open_repositories.hpp"
#include "verbs.hpp"

#include <pgcairn/engine/wal/archive.hpp>
#include <pgcairn/engine/wal/push_failure.hpp>

namespace pgcairn::command {

namespace {

ExitCode run(const Session& session) {
  const Settings& settings = session.settings;
  const std::string& file = settings.operands[0];
  std::vector<repo::Repository> repositories = make_archives(settings, session.stop);
  engine::archive_push(cluster_of(settings), repositories, file, settings.compress_type,
                       settings.compress_level);
  engine::forget_push_failure(settings.state_path, settings.stanza);
  return ExitCode::done;
}

}  // namespace

constinit const Verb kArchivePush = {
    .name = "archive-push",
    .operands = "PATH",
    .least_operands = 1,
    .most_operands = 1,
    .summary = "store a WAL file (archive_command)",
    .description = lines(R"(
PostgreSQL runs this command for each finished WAL file; PATH is %p. It returns when the file
is durable in every repository. Pushing the same file again succeeds; different content under
the same name is refused.
)"),
    .examples = lines(R"(
archive_command = 'pgcairn --stanza=main archive-push "%p"'
pgcairn --stanza=main archive-push pg_wal/000000010000000000000003
)"),
    .exit_status = lines(R"(
    0  the file is durable in every repository
    1  anything else; PostgreSQL keeps the file and tries again
)"),
    .takes = "stanza compress-type compress-level pg-path",
    .load = without_settings<run>,
    .cluster = ClusterUse::configured,
    .run_by_postgres = true,
    .runs_often = true,
    .refused_when_stopped = true,
};

}  // namespace pgcairn::command
