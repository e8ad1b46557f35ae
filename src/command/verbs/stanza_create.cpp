#include "open_repositories.hpp"
#include "render/render.hpp"
#include "verbs.hpp"

#include <pgcairn/common/account.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>

#include <vector>

#include <grp.h>
#include <unistd.h>

namespace pgcairn::command {

namespace {

/// Can this user work in the directory, or create it?
bool is_usable(const fs::path& directory) {
  fs::path place = directory;
  std::error_code unknown;
  while (!fs::exists(place, unknown) && place.has_relative_path()) place = place.parent_path();
  // A file system that is mounted read-only is not mended here, and where all is there, nothing is
  // written.
  return ::access(place.c_str(), W_OK | X_OK) == 0 || errno == EROFS;
}

/// What only root can prepare, as one line for a shell.
void require_places(const Settings& settings) {
  std::string unusable;
  std::string arguments;
  const auto look_at = [&](const fs::path& directory) {
    if (is_usable(directory)) return;
    unusable += format("{}\"{}\"", unusable.empty() ? "" : ", ", directory.native());
    arguments += " " + shell_quote(directory.native());
  };
  for (const RepositorySettings& repository : settings.repositories) {
    if (!repository.is_remote) look_at(repository.path);
  }
  look_at(settings.state_path);
  if (unusable.empty()) return;
  const Account account = account_of(::geteuid(), ::getegid());
  const group* const group = ::getgrgid(account.gid);
  throw Error(format("{} cannot create or write to {}", account.describe(), unusable),
              format("as root, after mounting what belongs there: install -d -o {} -g {} -m 750{}",
                     account.name.empty() ? std::to_string(account.uid) : account.name,
                     group == nullptr ? std::to_string(account.gid) : std::string(group->gr_name),
                     arguments));
}

void warn_without_retention(const Settings& settings) {
  for (const RepositorySettings& repository : settings.repositories) {
    if (repository.retention.chooses_backups()) continue;
    log_warn(
        format("no retention is set for repository \"{0}\": its backups and their WAL stay "
               "until the space is used up. A proposal for [repo.{0}], or for [global]: "
               "keep-within = \"7d\", keep-daily = 7, keep-weekly = 4, keep-monthly = 12",
               repository.name));
  }
}

ExitCode run(const Session& session) {
  const Settings& settings = session.settings;
  require_places(settings);
  std::error_code left_to_those_who_need_it;
  fs::create_directories(settings.state_path, left_to_those_who_need_it);
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const auto created = engine::create_stanza(cluster_of(settings), repositories);
  forget_repositories(settings);
  print(settings.output == Form::json ? stanza_created_json(settings.stanza, created)
                                      : stanza_created_text(settings.stanza, created));
  warn_without_retention(settings);
  return ExitCode::done;
}

}  // namespace

constinit const Verb kStanzaCreate = {
    .name = "stanza-create",
    .summary = "prepare the repositories for a cluster",
    .description = lines(R"(
Creates the repositories that do not exist yet and, in each of them, the stanza for this
cluster. Needs the data directory; the server need not run. Running it again changes nothing.
A stanza that belongs to another cluster is refused. Started by root, it makes the directories
that are missing, for the owner of the data directory. Warns if no retention is set.
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
