#include "identity.hpp"

#include "open_repositories.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/secret.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace pgcairn::command {

namespace {

/// What says who should run this.
struct Owner {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string what;  // "repository"
  fs::path path;

  std::string describe() const { return format("{} \"{}\"", what, path.native()); }
};

/// Nothing when there is no such file, or none that root can see: a server of NFS may not let it.
/// Of what cannot be looked at for another reason, as on a file system whose server is gone,
/// `unknown` gets the error: others may know.
std::optional<struct stat> look_at(const fs::path& path, std::optional<SystemError>& unknown) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return status;
  if (errno == ENOENT || errno == ENOTDIR || errno == EACCES) return std::nullopt;
  unknown.emplace(format("cannot examine \"{}\"", path.native()), errno);
  log_warn(unknown->message());
  return std::nullopt;
}

Owner owner_of(const struct stat& status, std::string_view what, const fs::path& path) {
  return {status.st_uid, status.st_gid, std::string(what), path};
}

/// Of repositories that exist; the directory of one that is not made yet says nothing.
std::vector<Owner> repository_owners(const Settings& settings,
                                     std::optional<SystemError>& unknown) {
  std::vector<Owner> owners;
  for (const RepositorySettings& repository : settings.repositories) {
    if (repository.is_remote) continue;
    std::optional<SystemError> failed;
    auto status = look_at(repository.path / repo::kRepositoryKey, failed);
    // A directory that is closed even to root is of whom it is closed for.
    if (!status && !failed && ::access(repository.path.c_str(), X_OK) != 0)
      status = look_at(repository.path, failed);
    if (status) owners.push_back(owner_of(*status, "repository", repository.path));
    if (failed) unknown = failed;
  }
  return owners;
}

std::vector<Owner> cluster_owners(const Settings& settings, std::optional<SystemError>& unknown) {
  std::vector<Owner> owners;
  for (const fs::path& directory : settings.data_directories) {
    // An empty directory may be a place for a cluster to come.
    if (!look_at(directory / "PG_VERSION", unknown)) continue;
    if (const auto status = look_at(directory, unknown))
      owners.push_back(owner_of(*status, "data directory", directory));
  }
  return owners;
}

bool are_one(std::span<const Owner> owners) {
  return std::all_of(owners.begin(), owners.end(),
                     [&](const Owner& owner) { return owner.uid == owners.front().uid; });
}

/// The same command, for a shell. Variables of the environment by their names: some hold secrets.
std::string sudo_line(const Account& account, std::span<const std::string> words,
                      const std::map<std::string, std::string>& environment) {
  std::string variables;
  for (const auto& [name, value] : environment) variables += (variables.empty() ? "" : ",") + name;
  std::string line = "sudo";
  if (!variables.empty()) line += " --preserve-env=" + shell_quote(variables);
  line += " -u " + shell_quote(account.name.empty() ? format("#{}", account.uid) : account.name);
  line += " " + shell_quote(own_path().native());
  for (const std::string& word : words) line += " " + shell_quote(word);
  return line;
}

struct Use {
  fs::path path;
  int mode = 0;  // of access()
};

/// Whether the account may use these files, where they exist. Only a process of its own can tell:
/// what a server of files thinks of a user and its groups is not in the mode bits.
bool can_use(const Account& account, std::span<const Use> uses) {
  const pid_t child = ::fork();
  if (child < 0) throw SystemError("cannot start a process", errno);
  if (child == 0) {
    bool usable = true;
    try {
      become(account);
      for (const Use& use : uses)
        usable = usable && (::access(use.path.c_str(), use.mode) == 0 || errno == ENOENT);
    } catch (...) {
      usable = false;
    }
    ::_exit(usable ? 0 : 1);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw SystemError("cannot wait for a process", errno);
  }
  return status == 0;
}

/// The owner of the cluster, where the repository's files are another's but open to it: NFS and
/// CIFS show all files as of one user of the server's, or of the mount's, for any user who creates
/// them.
std::optional<Account> cluster_user(const Verb& verb, const Settings& settings,
                                    std::span<const Owner> clusters,
                                    std::span<const Owner> repositories) {
  // What root would leave in a repository is another's there, and closed to it.
  if (clusters.empty() || !are_one(clusters) || clusters.front().uid == 0) return std::nullopt;
  const Account account = account_of(clusters.front().uid, clusters.front().gid);
  const int mode = verb.only_reads ? R_OK | X_OK : R_OK | W_OK | X_OK;
  std::vector<Use> uses;
  for (const Owner& repository : repositories) {
    if (repository.uid == account.uid) continue;
    uses.push_back({repository.path, mode});
    uses.push_back({repository.path / repo::kRepositoryKey, R_OK});
    if (!settings.stanza.empty()) uses.push_back({repository.path / settings.stanza, mode});
  }
  if (!can_use(account, uses)) return std::nullopt;
  return account;
}

/// Who can do the work: the cluster's owner before the repositories', as it archives into them;
/// never root where another is.
Account likeliest(std::span<const Owner> clusters, std::span<const Owner> repositories) {
  std::vector<Account> accounts;
  for (const auto& owners : {clusters, repositories}) {
    for (const Owner& owner : owners) accounts.push_back(account_of(owner.uid, owner.gid));
  }
  const auto found = std::find_if(accounts.begin(), accounts.end(),
                                  [](const Account& account) { return account.uid != 0; });
  return found == accounts.end() ? accounts.front() : *found;
}

[[noreturn]] void refuse(std::span<const Owner> owners, std::string_view verb,
                         const Account& right_one, const std::string& line) {
  std::string found;
  std::string give;
  for (const Owner& owner : owners) {
    found += format("{}{} belongs to {}", found.empty() ? "" : ", ", owner.describe(),
                    account_of(owner.uid, owner.gid).describe());
    if (owner.uid != right_one.uid && owner.what == "repository") {
      give += format("{}chown -R {}:{} {}", give.empty() ? "" : " && ", right_one.uid,
                     right_one.gid, shell_quote(owner.path.native()));
    }
  }
  // sudo runs nothing as a number without a name; root becomes it by itself.
  const bool has_name = !right_one.name.empty();
  std::string hint;
  if (!give.empty()) hint = format("give {} the repository: {}", right_one.describe(), give);
  if (!give.empty() && has_name) hint += "\n  ";
  if (has_name) hint += format("{}run it as the right one: {}", give.empty() ? "" : "then ", line);
  if (hint.empty()) hint = "give one user all of them (chown -R)";
  throw UsageError(format("root cannot determine as which user to run {}: {}", verb, found), hint);
}

void prepare_places(const Verb& verb, const Settings& settings, const Account& account) {
  if (!verb.refused_when_stopped && !verb.keeps_state) return;
  make_directory_for(account, settings.state_path);
  if (!verb.makes_repositories) return;
  for (const RepositorySettings& repository : settings.repositories) {
    // What is missing above it may be a file system that is not mounted.
    std::optional<SystemError> unknown;
    if (!repository.is_remote && look_at(repository.path.parent_path(), unknown))
      make_directory_for(account, repository.path);
  }
}

}  // namespace

std::optional<Account> act_as_owner(const Verb& verb, const Settings& settings,
                                    std::span<const std::string> words,
                                    const std::map<std::string, std::string>& environment) {
  if (::geteuid() != 0 || verb.stays_root) return std::nullopt;
  std::optional<SystemError> unknown;
  const std::vector<Owner> repositories = repository_owners(settings, unknown);
  std::vector<Owner> clusters = cluster_owners(settings, unknown);
  // What is about no stanza, or all, needs the repositories alone.
  const bool needs_cluster = !settings.stanza.empty() || repositories.empty();
  if (!needs_cluster && !are_one(clusters)) clusters.clear();
  std::vector<Owner> owners = repositories;
  owners.insert(owners.end(), clusters.begin(), clusters.end());
  if (owners.empty()) {
    if (const auto status = look_at(settings.state_path, unknown))
      owners.push_back(owner_of(*status, "state-path", settings.state_path));
  }
  if (owners.empty() && unknown) throw SystemError(*unknown);
  if (owners.empty()) return std::nullopt;
  Account account = account_of(owners.front().uid, owners.front().gid);
  if (!are_one(owners)) {
    if (const auto user = cluster_user(verb, settings, clusters, repositories)) {
      account = *user;
    } else if (needs_cluster || !are_one(repositories)) {
      const Account right_one = likeliest(clusters, repositories);
      refuse(owners, verb.name, right_one, sudo_line(right_one, words, environment));
    }
  }
  prepare_places(verb, settings, account);
  if (account.uid == 0) return std::nullopt;
  try {
    become(account);
  } catch (SystemError& error) {
    error.set_hint(format("run it as this user: {}", sudo_line(account, words, environment)));
    throw;
  }
  // The kernel has lifted that with the change of user.
  crypto::forbid_core_dumps();
  const auto his = std::find_if(owners.begin(), owners.end(),
                                [&](const Owner& owner) { return owner.uid == account.uid; });
  log_info(format("running as {}, the owner of {}", account.describe(), his->describe()));
  return account;
}

}  // namespace pgcairn::command
