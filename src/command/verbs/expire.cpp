#include "open_repositories.hpp"
#include "progress.hpp"
#include "render/render.hpp"
#include "settings/retention.hpp"
#include "verbs.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/engine/expire/expire.hpp>

#include <algorithm>
#include <exception>

namespace pgcairn::command {

namespace {

/// Does a backup stay whose marker cannot be read? Then more stays than the rules keep.
bool in_doubt(const std::vector<ExpiredRepository>& expired) {
  return std::any_of(expired.begin(), expired.end(), [](const ExpiredRepository& one) {
    if (!one.result) return false;
    const auto& backups = one.result->plan.backups;
    return std::any_of(backups.begin(), backups.end(), [](const engine::ExpiredBackup& backup) {
      return backup.keep && !backup.type;
    });
  });
}

}  // namespace

ExitCode expire(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  std::vector<engine::ExpireOptions> options;
  for (const RepositorySettings& repository : settings.repositories) {
    options.emplace_back();
    options.back().policy = retention_of(repository);
    options.back().set = settings.set;
    options.back().dry_run = settings.dry_run;
    options.back().keep_interrupted = settings.resume;
    options.back().allow_mass_removal = settings.allow_mass_removal;
  }
  ProgressLine progress(session.console);
  std::vector<ExpiredRepository> expired;
  std::exception_ptr failure;
  std::size_t without_it = 0;
  for (std::size_t i = 0; i < repositories.size(); ++i) {
    ExpiredRepository one{repositories[i].name(), {}, {}};
    try {
      one.result =
          engine::expire(settings.stanza, repositories[i], options[i], progress, session.stop);
    } catch (const Error& error) {
      // A backup that was asked for is in the repository that it was made in, and in no other.
      const bool elsewhere =
          !settings.set.empty() && dynamic_cast<const MissingError*>(&error) != nullptr;
      without_it += elsewhere ? 1 : 0;
      one.error = error.render();
      if (!failure && (!elsewhere || without_it == repositories.size()))
        failure = std::current_exception();
    }
    expired.push_back(std::move(one));
  }
  session.console.progress("");
  const bool json = settings.output == Form::json;
  // With one repository the error alone tells a person all.
  if (json || !failure || repositories.size() > 1) {
    print(json ? expire_json(expired, settings.stanza, settings.dry_run)
               : expire_text(expired, settings.dry_run));
  }
  if (failure) std::rethrow_exception(failure);
  return in_doubt(expired) ? ExitCode::warnings : ExitCode::done;
}

}  // namespace pgcairn::command
