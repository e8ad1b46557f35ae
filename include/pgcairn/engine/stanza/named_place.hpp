#pragma once

#include <filesystem>
#include <string>

namespace pgcairn::engine {

/// What a directory of this host is for. When two overlap, the later in this list is the one to
/// move, but where one of them is what a run is about to make.
enum class PlaceKind {
  data,        // a cluster's data directory
  tablespace,  // of a cluster
  link,        // what a symbolic link in a data directory leads to, such as pg_wal
  config,      // where configuration from outside of the data directory is restored to
  drill,       // where a drill does all that it does
  repository,
  state,     // what this host remembers
  file,      // that this program reads, such as its configuration
  original,  // what the cluster that a copy is made of has on this host
};

struct NamedPlace {
  PlaceKind kind{};
  std::string name;  // "repository \"main\"", "tablespace 16400"
  std::filesystem::path path;
  std::string moved_with;  // what names another place for it: "--config-to", "path in [repo.main]"
};

}  // namespace pgcairn::engine
