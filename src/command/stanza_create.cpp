#include "cluster.hpp"
#include "render.hpp"
#include "verbs.hpp"

namespace pgcairn::command {

ExitCode stanza_create(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const auto created = engine::create_stanza(cluster_of(settings), repositories);
  print(settings.output == Form::json ? stanza_created_json(settings.stanza, created)
                                      : stanza_created_text(settings.stanza, created));
  return ExitCode::done;
}

}  // namespace pgcairn::command
