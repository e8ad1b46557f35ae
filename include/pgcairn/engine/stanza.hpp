#pragma once

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

}  // namespace pgcairn::engine
