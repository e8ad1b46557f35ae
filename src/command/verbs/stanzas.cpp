#include "verbs/stanzas.hpp"

#include <pgcairn/common/error.hpp>

#include <algorithm>
#include <filesystem>

namespace pgcairn::command {

namespace {

/// The engine knows names only.
void describe(engine::RepositoryInfo& repository, const Settings& settings) {
  for (const RepositorySettings& known : settings.repositories) {
    if (known.name != repository.name) continue;
    repository.type = known.type;
    std::error_code error;
    const auto space = std::filesystem::space(known.path, error);
    // A file system that reports nothing of itself reports zeros.
    if (!error && !repository.missing && space.capacity > 0)
      repository.space = engine::Space{space.capacity, space.available};
  }
}

}  // namespace

std::vector<engine::StanzaInfo> read_stanzas(const Settings& settings, const std::string& set,
                                             const StanzaLimits& limits,
                                             std::span<repo::Repository> repositories,
                                             std::stop_token stop) {
  engine::InfoOptions options;
  options.set = set;
  options.and_found = settings.stanza.empty();
  options.limits = limits.configured;
  options.default_limits = limits.others;
  if (options.and_found) {
    options.stanzas = {settings.configured_stanzas.begin(), settings.configured_stanzas.end()};
  } else {
    options.stanzas = {settings.stanza};
    const auto& known = settings.configured_stanzas;
    options.may_be_misspelt = std::find(known.begin(), known.end(), settings.stanza) == known.end();
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

}  // namespace pgcairn::command
