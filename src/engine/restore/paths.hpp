#pragma once

#include "restore/roots.hpp"
#include "stanza/manifest_paths.hpp"

#include <pgcairn/common/file.hpp>
#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

inline constexpr std::string_view kLostAndFound = "lost+found";

/// Is `path` the directory, or below it? Only their text is looked at.
bool is_inside(const fs::path& path, const fs::path& directory);

/// Where a tablespace was when it was backed up; empty when the backup has none of that oid.
std::string original_location(const repo::BackupMarker& backup, std::uint32_t oid);

/// Directories and files of the plan outside of the data directory, each to be empty or absent.
std::vector<fs::path> outside_places(const RestorePlan& plan);

/// What an interrupted restore left, but the mark itself.
std::vector<Place> wiped(const RestorePlan& plan, Roots& roots);

/// Decides whom the restored files belong to (plan.owner). Throws UsageError where nobody is known
/// whom root could give them to.
void decide_owner(RestorePlan& plan, const repo::ManifestHeader& header);

/// The mode that an entry gets: nothing for others, unless it is from outside of the data directory
/// (they may read it), no write permission for the group, no special bits, and for the owner alone
/// what belonged to another user or group than the cluster.
mode_t restored_mode(const repo::ManifestEntry& entry, const RestoreOwner& owner);

/// Gives a file or directory its mode and, for root, its owner.
void own(const Fd& fd, mode_t mode, const RestoreOwner& owner, const fs::path& path);

}  // namespace pgcairn::engine
