#pragma once

#include <pgcairn/repo/backup_info.hpp>
#include <pgcairn/repo/repository.hpp>

#include <set>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

struct RepositoryInfo {
  std::string name;
  std::string type;
  std::string error;     // why it could not be read; empty: it was
  bool missing = false;  // `error` says that there is no such repository, which is certain
  std::vector<repo::Cluster> clusters;
  std::vector<repo::BackupInfo> backups;  // oldest first
  std::uint64_t wal_segments = 0;
  std::string wal_first;
  std::string wal_last;
};
struct StanzaInfo {
  std::string name;
  std::vector<RepositoryInfo> repositories;
};

/// Looks at the stanzas `asked`, and when `and_found` at all that the repositories hold. A
/// repository that cannot be read is reported as such, never as empty; when no stanza is known at
/// all, the reason is thrown.
std::vector<StanzaInfo> read_info(std::set<std::string> asked, bool and_found,
                                  std::span<repo::Repository> repositories);

}  // namespace pgcairn::engine
