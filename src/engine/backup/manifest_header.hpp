#pragma once

#include <pgcairn/repo/manifest.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The header of a new manifest: its defaults are owner and mode of the data directory, of the
/// directory itself when its path is a symbolic link. Throws SystemError when it cannot be opened.
repo::ManifestHeader new_manifest_header(const std::string& label,
                                         std::vector<repo::ManifestRef> refs,
                                         const std::filesystem::path& data_directory);

}  // namespace pgcairn::engine
