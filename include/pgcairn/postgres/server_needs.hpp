#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::postgres {

/// What the settings of a server name and a host does not have: the server does not start there.
struct MissingNeeds {
  std::vector<std::filesystem::path> libraries;  // of shared_preload_libraries
  std::vector<std::string> locales;              // of lc_messages and its like
};

/// Of the settings in `config`, in which the last of a name counts, on this host. Files that it
/// includes are not known, so what is not told may be missing, too. `libraries` is the directory of
/// the server's own ("/usr/lib/postgresql/15/lib"); if it is not one, nothing is said of them.
MissingNeeds missing_needs(std::string_view config, const std::filesystem::path& libraries);

}  // namespace pgcairn::postgres
