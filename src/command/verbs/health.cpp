#include "render/health.hpp"

#include "open_repositories.hpp"
#include "stop_file.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <cerrno>

#include <sys/stat.h>

namespace pgcairn::command {

namespace {

std::vector<StanzaHealth> look(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  std::vector<fs::path> directories;
  for (const RepositorySettings& repository : settings.repositories)
    directories.push_back(repository.path);
  std::vector<StanzaHealth> stanzas;
  for (const WatchedStanza& watched : settings.watched) {
    StanzaHealth one;
    one.facts = engine::read_health(watched.stanza, repositories, directories, session.stop);
    one.facts.stopped_here = stopped_here(settings.state_path, watched.stanza.name);
    one.findings = engine::evaluate_health(one.facts, watched.limits);
    one.verdict = engine::verdict_of(engine::judge_all(one.facts, watched.limits));
    stanzas.push_back(std::move(one));
  }
  return stanzas;
}

std::string rendered(Form form, std::span<const StanzaHealth> stanzas) {
  switch (form) {
    case Form::json:
      return health_json(stanzas);
    case Form::nagios:
      return health_nagios(stanzas);
    case Form::prometheus:
      return health_metrics(stanzas);
    case Form::text:
      break;
  }
  return health_text(stanzas);
}

}  // namespace

ExitCode health(const Session& session) {
  const Form form = session.settings.output;
  const std::vector<StanzaHealth> stanzas = look(session);
  print(rendered(form, stanzas));
  // Whoever collects metrics asks whether there are any; the state is one of them.
  if (form == Form::prometheus) return ExitCode::done;
  switch (worst_of(stanzas)) {
    case engine::HealthLevel::ok:
      return ExitCode::done;
    case engine::HealthLevel::warning:
      return ExitCode::warnings;
    case engine::HealthLevel::unknown:
      return ExitCode::failed;
    case engine::HealthLevel::critical:
      break;
  }
  return ExitCode::damaged;
}

ExitCode metrics(const Session& session) {
  const std::string text = health_metrics(look(session));
  const fs::path& file = session.settings.file;
  if (file.empty()) {
    print(text);
  } else {
    AtomicFile whole(file);
    // The collector runs as another user, and our umask is meant for repositories.
    if (::fchmod(whole.fd().get(), 0644) != 0)
      throw SystemError(format("cannot open \"{}\" to all readers", file.native()), errno);
    whole.write(as_bytes(text));
    whole.publish();
  }
  return ExitCode::done;
}

}  // namespace pgcairn::command
