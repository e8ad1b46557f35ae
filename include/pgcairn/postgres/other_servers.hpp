#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <sys/types.h>

namespace pgcairn::postgres {

/// A directory that a server at work on this host uses and that is not in its data directory.
struct UsedPlace {
  dev_t device = 0;
  ino_t inode = 0;
  std::string
      version;        // of a tablespace: the server's, "15"; empty: not a tablespace, or not known
  std::string words;  // "tablespace 16400 of the server in \"/srv/db\" (process 7, postgres)"
};

/// What the links in the data directories of all servers that this process sees lead to, but of
/// that in `own`. A server in a container means its own root directory. Those that are not seen
/// are missing: nothing found proves nothing.
std::vector<UsedPlace> places_of_other_servers(const std::filesystem::path& own);

/// A file in a tablespace's directory of one version that some process of this machine has open
/// for writing; empty when none is found, which proves nothing. Of each database a limited number
/// of files is looked at.
std::string open_in_tablespace(const std::filesystem::path& directory);

}  // namespace pgcairn::postgres
