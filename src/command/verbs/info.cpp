#include "open_repositories.hpp"
#include "render/render.hpp"
#include "verbs.hpp"
#include "verbs/stanzas.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

#include <sys/ioctl.h>
#include <unistd.h>

namespace pgcairn::command {

namespace {

/// The engine knows names only.
void describe(engine::RepositoryInfo& repository, const Settings& settings) {
  for (const RepositorySettings& known : settings.repositories) {
    if (known.name != repository.name) continue;
    repository.type = known.type;
    std::error_code error;
    const auto space = std::filesystem::space(known.path, error);
    if (!error && !repository.missing)
      repository.space = engine::Space{space.capacity, space.available};
  }
}

/// Of the terminal; 80 where there is none, so that what is piped is always the same.
std::size_t columns_of_output() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

bool has_backup(std::span<const engine::StanzaInfo> stanzas) {
  return std::any_of(stanzas.begin(), stanzas.end(), [](const engine::StanzaInfo& stanza) {
    return std::any_of(stanza.repositories.begin(), stanza.repositories.end(),
                       [](const auto& repository) { return !repository.backups.empty(); });
  });
}

}  // namespace

std::vector<engine::StanzaInfo> read_stanzas(const Settings& settings,
                                             std::span<repo::Repository> repositories,
                                             std::stop_token stop) {
  engine::InfoOptions options;
  options.set = settings.set;
  options.and_found = settings.stanza.empty();
  options.limits = settings.health_limits;
  options.default_limits = settings.default_health_limits;
  if (options.and_found) {
    options.stanzas = {settings.configured_stanzas.begin(), settings.configured_stanzas.end()};
  } else {
    options.stanzas = {settings.stanza};
  }
  std::vector<engine::StanzaInfo> stanzas = engine::read_info(options, repositories, stop);
  for (engine::StanzaInfo& stanza : stanzas)
    for (engine::RepositoryInfo& repository : stanza.repositories) describe(repository, settings);
  return stanzas;
}

ExitCode unreadable_code(std::span<const engine::StanzaInfo> stanzas) {
  for (const engine::StanzaInfo& stanza : stanzas) {
    for (const engine::RepositoryInfo& repository : stanza.repositories) {
      if (repository.locked) return ExitCode::wrong_key;
    }
  }
  return ExitCode::failed;
}

void throw_absent(std::span<const engine::StanzaInfo> stanzas) {
  for (const engine::StanzaInfo& stanza : stanzas) {
    for (const engine::RepositoryInfo& repository : stanza.repositories)
      if (repository.missing) throw MissingError(*repository.missing);
  }
  throw MissingError("a repository is not there");
}

ExitCode info(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const std::vector<engine::StanzaInfo> stanzas =
      read_stanzas(settings, repositories, session.stop);
  const InfoStatus status = status_of(settings.stanza, stanzas);
  const bool no_such_backup = !settings.set.empty() && !has_backup(stanzas);
  if (settings.output == Form::json) {
    // A program that reads JSON gets its object whatever happened.
    print(info_json(stanzas));
  } else if (!settings.set.empty()) {
    print(info_set_text(stanzas, settings.set));
  } else if (status != InfoStatus::missing) {
    // A person reads the error alone.
    print(info_text(stanzas, columns_of_output()));
  }
  if (status == InfoStatus::unreadable) return unreadable_code(stanzas);
  if (status == InfoStatus::absent) throw_absent(stanzas);
  if (status == InfoStatus::missing) {
    throw MissingError(format("stanza \"{}\" is in no repository", settings.stanza),
                       "check the name, or make it with pgcairn stanza-create");
  }
  if (no_such_backup) {
    throw MissingError(format("backup \"{}\" is in no repository", settings.set),
                       "\"pgcairn info\" lists the backups");
  }
  return ExitCode::done;
}

}  // namespace pgcairn::command
