#pragma once

#include <pgcairn/postgres/connection.hpp>
#include <pgcairn/postgres/server.hpp>
#include <pgcairn/postgres/timeline.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The way that the log took to what the server writes now, as its own pg_wal tells it; nothing
/// when the history is not there.
std::optional<postgres::TimelineHistory> way_to_now(const std::filesystem::path& data_directory,
                                                    Timeline timeline);

/// A backup that a new one could build on.
struct PriorCandidate {
  const repo::BackupMarker* backup = nullptr;
  bool left = false;  // it ended on a branch that the server is not on
};

/// Those of the same cluster, and full ones for a differential backup, in the order in which they
/// are tried: the newest first, but such on a branch that was left come last. Of these the pages
/// would all have to be compared, since the server's summaries tell nothing of what they have.
/// `backups`: oldest first. Without `way` none counts as left. Pure.
std::vector<PriorCandidate> prior_candidates(std::span<const repo::BackupMarker> backups,
                                             const std::string& cluster_id, repo::BackupType type,
                                             const std::optional<postgres::TimelineHistory>& way);

/// Logs which newer ones were put behind the `chosen` one.
void say_left(std::span<const PriorCandidate> candidates, const std::string& chosen,
              Timeline timeline);

}  // namespace pgcairn::engine
