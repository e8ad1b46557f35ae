#pragma once

#include <pgcairn/engine/status/info.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>

namespace pgcairn::engine {

/// The size of packs [first, last] of a backup.
using PackBytes =
    std::function<std::uint64_t(const std::string& owner, std::uint32_t first, std::uint32_t last)>;

/// By the mean size of an owner's own packs, which its marker tells; of an owner without a marker
/// (removed or interrupted), the mean of all. Pure.
PackBytes estimated_pack_bytes(std::span<const repo::BackupMarker> backups);

/// What each backup names, shares and would free, by label. `backups` are all of the stanza's: who
/// is not among them shares nothing. Pure.
std::map<std::string, BackupSizes> sizes_of(std::span<const repo::BackupMarker> backups,
                                            const PackBytes& pack_bytes);

/// None when the backups, oldest first, span less than a day. Pure.
std::optional<Growth> growth_of(const RepositoryInfo& repository, Timestamp first_wal);

}  // namespace pgcairn::engine
