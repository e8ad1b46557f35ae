#include "cluster.hpp"
#include "render.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/info.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

/// The engine knows names only.
void name_types(std::vector<engine::StanzaInfo>& stanzas, const Settings& settings) {
  for (engine::StanzaInfo& stanza : stanzas) {
    for (engine::RepositoryInfo& repository : stanza.repositories) {
      for (const RepositorySettings& known : settings.repositories) {
        if (known.name == repository.name) repository.type = known.type;
      }
    }
  }
}

/// The stanza that was named; else those of the configuration, so that one without a backup is
/// seen, and those that only the repositories know.
std::vector<engine::StanzaInfo> read_stanzas(const Settings& settings,
                                             std::span<repo::Repository> repositories) {
  if (!settings.stanza.empty()) return engine::read_info({settings.stanza}, false, repositories);
  const auto& configured = settings.configured_stanzas;
  return engine::read_info({configured.begin(), configured.end()}, true, repositories);
}

}  // namespace

ExitCode info(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  std::vector<engine::StanzaInfo> stanzas = read_stanzas(settings, repositories);
  name_types(stanzas, settings);
  const InfoStatus status = status_of(settings.stanza, stanzas);
  const bool json = settings.output == Form::json;
  // A program that reads JSON gets its object whatever happened; a person reads the error alone.
  if (json || status != InfoStatus::missing) print(json ? info_json(stanzas) : info_text(stanzas));
  if (status == InfoStatus::missing) {
    throw MissingError(format("stanza \"{}\" is in no repository", settings.stanza),
                       "check the name, or make it with pgcairn stanza-create");
  }
  return status == InfoStatus::unreadable ? ExitCode::failed : ExitCode::done;
}

}  // namespace pgcairn::command
