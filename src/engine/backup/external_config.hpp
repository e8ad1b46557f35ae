#pragma once

#include <pgcairn/postgres/files.hpp>
#include <pgcairn/postgres/server.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <filesystem>
#include <vector>

namespace pgcairn::engine {

/// What a backup keeps from outside of the data directory, and what its marker says of that.
struct Outside {
  std::vector<postgres::SourceFile> files;  // in path order
  repo::ExternalConfigInfo info;
};
Outside find_outside_of(postgres::Connection& connection,
                        const std::filesystem::path& data_directory,
                        const std::vector<std::filesystem::path>& include_paths);

}  // namespace pgcairn::engine
