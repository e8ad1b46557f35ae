#include "open_repositories.hpp"

#include "settings/key_secrets.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/path_status.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/recovery.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/storage/answer_cache.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

/// A local disk that does not answer at once rarely does later; a mount that hangs a moment may.
constexpr storage::RetryPolicy kLocalRetry{milliseconds(50), milliseconds(1'000),
                                           milliseconds(10'000)};
/// A promotion asks three times before it is through.
constexpr storage::RetryPolicy kBriefRetry{milliseconds(100), milliseconds(500),
                                           milliseconds(2'000)};
constexpr milliseconds kBriefSilence{4'000};
constexpr milliseconds kAnySilence = milliseconds::max();

void warn_of_readable_secrets(const Settings& settings) {
  const bool secrets =
      std::any_of(settings.repositories.begin(), settings.repositories.end(),
                  [](const RepositorySettings& repository) { return repository.has_secrets; });
  const auto status = secrets ? stat_if_exists(settings.config) : std::nullopt;
  if (status && (status->st_mode & S_IROTH) != 0) {
    log_warn(format("everybody may read \"{}\", which holds a secret: chmod o-r",
                    settings.config.native()));
  }
}

}  // namespace

namespace {

using Wrap = std::function<std::unique_ptr<storage::Driver>(std::unique_ptr<storage::Driver>,
                                                            const RepositorySettings&)>;

std::vector<repo::Repository> make_wrapped(const Settings& settings, const std::stop_token& stop,
                                           Patience patience, const Wrap& wrap) {
  std::vector<repo::Repository> repositories;
  warn_of_readable_secrets(settings);
  // Monitoring asks again in a minute, and gives up on a command that lets it wait.
  storage::RetryPolicy remote = settings.verb->monitors ? kLocalRetry : storage::RetryPolicy{};
  storage::RetryPolicy local = kLocalRetry;
  if (patience == Patience::brief) remote = local = kBriefRetry;
  const milliseconds silence = patience == Patience::brief ? kBriefSilence : kAnySilence;
  for (const RepositorySettings& repository : settings.repositories) {
    auto fence = std::make_shared<storage::Fence>();
    auto driver = storage::with_fence(
        repository.make_driver(settings.state_path / "credentials" / repository.name, silence),
        fence, repo::needs_lease);
    driver = storage::with_throttle(std::move(driver), repository.bytes_per_second, stop,
                                    repo::is_document);
    if (repository.bytes_per_second > 0) {
      log_detail(format("repository \"{}\": at most {} a second in each direction", repository.name,
                        format_size(repository.bytes_per_second)));
    }
    driver = storage::with_retry(std::move(driver), repository.is_remote ? remote : local, stop);
    driver = storage::with_unreadable(std::move(driver), std::string(repo::kRepositoryKey));
    repositories.emplace_back(repository.name, wrap(std::move(driver), repository),
                              key_settings(settings, repository), std::move(fence));
  }
  return repositories;
}

}  // namespace

std::vector<repo::Repository> make_repositories(const Settings& settings, std::stop_token stop) {
  return make_wrapped(settings, stop, Patience::usual,
                      [](auto driver, const RepositorySettings&) { return driver; });
}

namespace {

std::filesystem::path answer_cache_file(const Settings& settings,
                                        const RepositorySettings& repository) {
  return settings.state_path / "recall" / repository.name;
}

}  // namespace

void forget_repositories(const Settings& settings) {
  for (const RepositorySettings& repository : settings.repositories) {
    std::error_code none;  // where we cannot remove it, a minute does
    std::filesystem::remove(answer_cache_file(settings, repository), none);
  }
}

std::vector<repo::Repository> make_archives(const Settings& settings, std::stop_token stop,
                                            Patience patience) {
  const auto remember = [&](std::unique_ptr<storage::Driver> driver,
                            const RepositorySettings& repository) {
    // A directory costs nothing to ask, and that it is mounted has to be seen each time.
    if (!repository.is_remote) return driver;
    storage::AnswerCacheSettings recall;
    recall.file = answer_cache_file(settings, repository);
    recall.takes = repo::tells_of_repository;
    return storage::with_answer_cache(std::move(driver), std::move(recall));
  };
  return make_wrapped(settings, stop, patience, remember);
}

std::vector<engine::NamedPlace> other_places(const Settings& settings) {
  std::vector<engine::NamedPlace> places;
  for (const RepositorySettings& repository : settings.repositories) {
    if (repository.is_remote) continue;  // its path is not a directory of this host
    places.push_back({engine::PlaceKind::repository, format("repository \"{}\"", repository.name),
                      repository.path, format("path in [repo.{}]", repository.name)});
  }
  places.push_back(
      {engine::PlaceKind::state, "the state directory", settings.state_path, "state-path"});
  if (!settings.drill_path.empty()) {
    places.push_back({engine::PlaceKind::drill, "the directory of drills", settings.drill_path,
                      format("drill-path in [stanza.{}]", settings.stanza)});
  }
  return places;
}

engine::StanzaSettings cluster_of(const Settings& settings) {
  const auto directory = settings.pg_path.empty() ? working_directory() : settings.pg_path;
  return {settings.stanza, directory, settings.connection, other_places(settings),
          own_files(settings)};
}

std::string restore_command(const std::filesystem::path& program, const Settings& settings) {
  std::string command = postgres::restore_command_word(program.string());
  if (!settings.config.empty()) {
    command += " " + postgres::restore_command_word("--config=" + settings.config.string());
  }
  command += " " + postgres::restore_command_word("--stanza=" + settings.stanza);
  if (settings.repositories_named) {
    std::string names;
    for (const RepositorySettings& repository : settings.repositories)
      names += (names.empty() ? "" : ",") + repository.name;
    command += " " + postgres::restore_command_word("--repo=" + names);
  }
  if (settings.pg_path_overridden) {
    command += " " + postgres::restore_command_word("--pg-path=" + settings.pg_path.string());
  }
  return command + " archive-get %f \"%p\"";
}

std::filesystem::path own_path() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) throw SystemError("cannot read \"/proc/self/exe\"", error.value());
  return path;
}

}  // namespace pgcairn::command
