#pragma once

#include <pgcairn/postgres/files.hpp>
#include <pgcairn/postgres/server.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pgcairn::postgres {

/// A file or directory that should be backed up and cannot be read.
struct UnreadableFile {
  std::string path;
  std::string cause;
};

/// What belongs to a cluster and stands outside of its data directory: files under their absolute
/// paths, in path order, a directory for each step of the way to them, links to directories.
struct ExternalConfigFiles {
  std::vector<SourceFile> files;
  std::vector<UnreadableFile> unreadable;  // in path order
};

/// Does `path` stand in the data directory, as it is written or when links are followed?
bool is_inside(const std::filesystem::path& data_directory, const std::filesystem::path& path);

/// Finds the configuration of the server and what it includes, as the server itself would read it,
/// the directories that it includes, and `extra`: files, and directories with all that is below
/// them. What cannot be read is no
/// error. Links to files, and those on the way, are followed and noted in link_target; a link to a
/// directory below one of `extra` stays a link. The data directory is left out wherever it is met.
/// Throws Error for more than 20,000 files.
ExternalConfigFiles find_external_config(const ConfigPlaces& places,
                                         const std::filesystem::path& data_directory,
                                         const std::vector<std::filesystem::path>& extra);

}  // namespace pgcairn::postgres
