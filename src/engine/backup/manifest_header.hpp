#pragma once

#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The header of a new manifest: its defaults are owner and mode of the data directory, of the
/// directory itself when its path is a symbolic link. Throws SystemError when it cannot be opened.
repo::ManifestHeader new_manifest_header(const std::string& label,
                                         std::vector<repo::ManifestRef> refs,
                                         const std::filesystem::path& data_directory);

/// By the backup that has stored them, then by number: the order of a manifest.
void sort_by_place(std::vector<repo::ManifestPack>& packs);

/// What a marker says of packs that are in that order.
std::vector<repo::PackRange> ranges_of(std::span<const repo::ManifestPack> packs,
                                       std::span<const repo::ManifestRef> refs);

}  // namespace pgcairn::engine
