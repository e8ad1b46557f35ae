#include "cluster.hpp"

#include "key_secrets.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

/// A local disk that does not answer at once rarely does later; a mount that hangs a moment may.
constexpr storage::RetryPolicy kLocalRetry{milliseconds(50), milliseconds(1'000),
                                           milliseconds(10'000)};

/// One word of restore_command.
std::string command_word(std::string_view text) {
  std::string doubled;
  for (const char c : text) doubled.append(c == '%' ? 2 : 1, c);
  return shell_quote(doubled);
}

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

std::vector<repo::Repository> make_repositories(const Settings& settings, std::stop_token stop) {
  std::vector<repo::Repository> repositories;
  warn_of_readable_secrets(settings);
  // Monitoring asks again in a minute, and gives up on whoever lets it wait.
  const bool patient = settings.watched.empty();
  const storage::RetryPolicy remote = patient ? storage::RetryPolicy{} : kLocalRetry;
  for (const RepositorySettings& repository : settings.repositories) {
    auto driver = storage::with_retry(repository.make_driver(),
                                      repository.is_remote ? remote : kLocalRetry, stop);
    repositories.emplace_back(repository.name, std::move(driver),
                              key_settings(settings, repository));
  }
  return repositories;
}

engine::StanzaSettings cluster_of(const Settings& settings) {
  const auto directory =
      settings.pg_path.empty() ? std::filesystem::current_path() : settings.pg_path;
  return {settings.stanza, directory, settings.connection};
}

std::string restore_command(const std::filesystem::path& program, const Settings& settings) {
  std::string command = command_word(program.string());
  if (!settings.config.empty()) {
    command += " " + command_word("--config=" + settings.config.string());
  }
  command += " " + command_word("--stanza=" + settings.stanza);
  if (settings.pg_path_overridden) {
    command += " " + command_word("--pg-path=" + settings.pg_path.string());
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
