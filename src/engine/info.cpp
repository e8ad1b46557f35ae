#include <pgcairn/common/error.hpp>
#include <pgcairn/engine/info.hpp>

#include <exception>

namespace pgcairn::engine {

namespace {

RepositoryInfo read_repository(const std::string& stanza, repo::Repository& repository) {
  RepositoryInfo info;
  info.name = repository.name();
  try {
    repository.open();
  } catch (const MissingError& error) {
    info.error = error.render();
    info.missing = true;
    return info;
  } catch (const Error& error) {
    info.error = error.render();
    return info;
  }
  try {
    info.clusters = repository.clusters(stanza);
    info.backups = repository.backups(stanza, [&](const DamagedError& error) {
      if (info.error.empty()) info.error = error.render();
    });
    for (const repo::Cluster& cluster : info.clusters) {
      const repo::WalListing wal = repository.list_wal(stanza, cluster);
      info.wal_segments += wal.segments.size();
      if (wal.segments.empty()) continue;
      if (info.wal_first.empty()) info.wal_first = wal.segments.front();
      info.wal_last = wal.segments.back();
    }
  } catch (const Error& error) {
    if (info.error.empty()) info.error = error.render();
  }
  return info;
}

/// Adds the stanzas of all repositories that can be read; what kept the others from it.
std::exception_ptr find_stanzas(std::span<repo::Repository> repositories,
                                std::set<std::string>& names) {
  std::exception_ptr first_error;
  for (repo::Repository& repository : repositories) {
    try {
      repository.open();
      const auto found = repository.stanzas();
      names.insert(found.begin(), found.end());
    } catch (const Error&) {
      if (!first_error) first_error = std::current_exception();
    }
  }
  return first_error;
}

}  // namespace

std::vector<StanzaInfo> read_info(std::set<std::string> asked, bool and_found,
                                  std::span<repo::Repository> repositories) {
  if (and_found) {
    const std::exception_ptr error = find_stanzas(repositories, asked);
    // With a stanza to show, the repository that could not be read is reported there.
    if (asked.empty() && error) std::rethrow_exception(error);
  }
  std::vector<StanzaInfo> infos;
  for (const std::string& name : asked) {
    StanzaInfo info{name, {}};
    for (repo::Repository& repository : repositories)
      info.repositories.push_back(read_repository(name, repository));
    infos.push_back(std::move(info));
  }
  return infos;
}

}  // namespace pgcairn::engine
