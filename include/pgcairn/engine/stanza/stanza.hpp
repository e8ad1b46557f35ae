#pragma once

#include <pgcairn/engine/stanza/named_place.hpp>
#include <pgcairn/postgres/connection.hpp>
#include <pgcairn/repo/repository.hpp>

#include <filesystem>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// A cluster as the operator configured it.
struct StanzaSettings {
  std::string name;
  std::filesystem::path data_directory;
  postgres::ConnectionSettings connection;
  std::vector<NamedPlace> others{};  // of this configuration, apart from which the cluster must be
  std::vector<NamedPlace> files{};   // that this program reads: no restore may remove them
};

struct CreatedStanza {
  std::string repository;
  std::string cluster;  // cluster_id()
  bool created_repository = false;
  bool created_stanza = false;  // false: it was there already
};

/// Makes repository and stanza where they are missing. Needs the data directory, not a running
/// server. Throws PostgresError when the stanza belongs to another cluster.
std::vector<CreatedStanza> create_stanza(const StanzaSettings& stanza,
                                         std::span<repo::Repository> repositories);

struct UpgradedStanza {
  std::string repository;
  std::string cluster;              // cluster_id()
  std::vector<std::string> before;  // clusters that the stanza had
  bool added = false;               // false: it was there already
};

/// Adds the local cluster to a stanza that belongs to earlier ones, as after pg_upgrade. Throws
/// PostgresError unless it is of a later major version than all of them, or `force`.
std::vector<UpgradedStanza> upgrade_stanza(const StanzaSettings& stanza,
                                           std::span<repo::Repository> repositories, bool force);

/// What a repository holds of a stanza, and would not when it were deleted.
struct StanzaContent {
  std::string repository;
  std::vector<std::string> backups;  // labels
  std::vector<std::string> held;     // of these, those with a hold
  std::uint64_t wal_files = 0;
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
};

/// Of each repository that has anything of the stanza. Throws MissingError when none has.
std::vector<StanzaContent> read_stanza_content(const std::string& stanza,
                                               std::span<repo::Repository> repositories);

/// Removes all that the repositories hold of a stanza, which nothing brings back. Refuses with
/// LockedError while a backup is held or another run is at work. Run again it finishes what an
/// interrupted one began.
void delete_stanza(const std::string& stanza, std::span<repo::Repository> repositories,
                   std::stop_token stop);

}  // namespace pgcairn::engine
