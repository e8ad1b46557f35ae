#include "identity.hpp"

#include "cluster.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/secret.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <cerrno>
#include <vector>

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
std::optional<struct stat> look_at(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) return status;
  if (errno == ENOENT || errno == ENOTDIR || errno == EACCES) return std::nullopt;
  throw SystemError(format("cannot examine \"{}\"", path.native()), errno);
}

Owner owner_of(const struct stat& status, std::string_view what, const fs::path& path) {
  return {status.st_uid, status.st_gid, std::string(what), path};
}

/// Of repositories that exist; the directory of one that is not made yet says nothing.
std::vector<Owner> repository_owners(const Settings& settings) {
  std::vector<Owner> owners;
  for (const RepositorySettings& repository : settings.repositories) {
    if (repository.is_remote) continue;
    auto status = look_at(repository.path / repo::kRepositoryKey);
    // A directory that is closed even to root is of whom it is closed for.
    if (!status && ::access(repository.path.c_str(), X_OK) != 0) status = look_at(repository.path);
    if (status) owners.push_back(owner_of(*status, "repository", repository.path));
  }
  return owners;
}

std::vector<Owner> cluster_owners(const Settings& settings) {
  std::vector<Owner> owners;
  for (const fs::path& directory : settings.data_directories) {
    // An empty directory may be a place for a cluster to come.
    if (!look_at(directory / "PG_VERSION")) continue;
    if (const auto status = look_at(directory))
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

/// Who can do the work: of several owners the first that is not root.
Account likeliest(std::span<const Owner> owners) {
  const auto found =
      std::find_if(owners.begin(), owners.end(), [](const Owner& owner) { return owner.uid != 0; });
  const Owner& owner = found == owners.end() ? owners.front() : *found;
  return account_of(owner.uid, owner.gid);
}

[[noreturn]] void refuse(std::span<const Owner> owners, std::string_view verb,
                         const Account& right_one, const std::string& line) {
  std::string found;
  std::string give_back;
  for (const Owner& owner : owners) {
    found += format("{}{} belongs to {}", found.empty() ? "" : ", ", owner.describe(),
                    account_of(owner.uid, owner.gid).describe());
    // What an earlier version left when root ran it.
    if (owner.uid == 0 && owner.what == "repository") {
      give_back += format("give back what root has made in it (chown -R {}:{} {}), then ",
                          right_one.uid, right_one.gid, shell_quote(owner.path.native()));
    }
  }
  throw UsageError(format("root cannot tell as which user to run {}: {}", verb, found),
                   format("{}run it as the right one: {}", give_back, line));
}

void prepare_places(const Verb& verb, const Settings& settings, const Account& account) {
  if (!verb.writes && verb.name != "stop" && verb.name != "archive-get") return;
  make_directory_for(account, settings.state_path);
  if (verb.name != "stanza-create") return;
  for (const RepositorySettings& repository : settings.repositories) {
    // What is missing above it may be a file system that is not mounted.
    if (!repository.is_remote && look_at(repository.path.parent_path()))
      make_directory_for(account, repository.path);
  }
}

}  // namespace

std::optional<Account> act_as_owner(const Verb& verb, const Settings& settings,
                                    std::span<const std::string> words,
                                    const std::map<std::string, std::string>& environment) {
  if (::geteuid() != 0 || verb.stays_root) return std::nullopt;
  std::vector<Owner> owners = repository_owners(settings);
  // What is about no stanza, or all, needs the repositories alone.
  if (owners.empty() || !settings.stanza.empty()) {
    for (Owner& owner : cluster_owners(settings)) owners.push_back(std::move(owner));
  }
  if (owners.empty()) {
    const auto status = look_at(settings.state_path);
    if (!status) return std::nullopt;
    owners.push_back(owner_of(*status, "state-path", settings.state_path));
  }
  if (!are_one(owners)) {
    // The last of them is the server's: who owns the cluster can read it.
    const bool needs_cluster = !settings.pg_path.empty() || verb.name == "health";
    std::vector<Owner> wanted = owners;
    if (needs_cluster) std::reverse(wanted.begin(), wanted.end());
    const Account right_one = likeliest(wanted);
    refuse(owners, verb.name, right_one, sudo_line(right_one, words, environment));
  }
  const Account account = account_of(owners.front().uid, owners.front().gid);
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
  log_info(format("running as {}, the owner of {}", account.describe(), owners.front().describe()));
  return account;
}

}  // namespace pgcairn::command
