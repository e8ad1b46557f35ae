#include "open_repositories.hpp"
#include "render/render.hpp"
#include "verbs.hpp"

namespace pgcairn::command {

namespace {

ExitCode run(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const auto created = engine::create_stanza(cluster_of(settings), repositories);
  forget_repositories(settings);
  print(settings.output == Form::json ? stanza_created_json(settings.stanza, created)
                                      : stanza_created_text(settings.stanza, created));
  return ExitCode::done;
}

}  // namespace

constinit const Verb kStanzaCreate = {
    .name = "stanza-create",
    .summary = "prepare the repositories for a cluster",
    .description = lines(R"(
Creates the repositories that do not exist yet and, in each of them, the stanza for this
cluster. Needs the data directory; the server need not run. Running it again changes nothing.
A stanza that belongs to another cluster is refused.
)"),
    .examples = lines(R"(
pgcairn stanza-create
pgcairn --stanza=main --repo=local stanza-create
)"),
    .exit_status = lines(R"(
   13  the stanza belongs to another cluster, or PostgreSQL's version is not supported
)"),
    .takes = "stanza repo pg-path output",
    .load = without_settings<run>,
    .cluster = ClusterUse::directory,
    .refused_when_stopped = true,
    .makes_repositories = true,
};

}  // namespace pgcairn::command
