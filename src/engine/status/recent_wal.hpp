#pragma once

#include "status/outlook.hpp"
#include "status/restorable_windows.hpp"

#include <pgcairn/repo/repository.hpp>

#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The newest WAL of a cluster, listed within bounds: health asks for it every minute.
struct RecentWal {
  ArchivedWal wal;
  std::string looked_from;              // its first segment, when there is more before it
  std::vector<std::string> unreadable;  // histories, with why
};

/// Names are listed by groups of 4096 segments, from the newest one back to the one that holds
/// `first_needed`, or kMostGroups of them, and kFewGroups in any case. One request finds the
/// groups, five at most list one, and each timeline's history is one more.
RecentWal read_recent_wal(repo::Repository& repository, const std::string& stanza,
                          const repo::Cluster& cluster, const std::string& first_needed);
inline constexpr std::size_t kFewGroups = 4;
inline constexpr std::size_t kMostGroups = 64;

/// Where the WAL begins without which it is not known whether the newest moment can be restored:
/// that of the newest whole backup. Pure.
std::string first_needed(std::span<const repo::BackupMarker> backups,
                         const repo::RecordState* record_state);

}  // namespace pgcairn::engine
