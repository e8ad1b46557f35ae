#pragma once

#include <pgcairn/engine/wal/reach.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/records.hpp>
#include <pgcairn/repo/repository.hpp>

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// Limits that a server started with, as archive-push saw them in WAL.
struct RecordedLimits {
  Lsn at;
  ServerLimits limits;
};

/// The notes of a server's limits in a segment. `file` is where it is: a note that runs into it
/// began in the file before, beside it.
std::vector<RecordedLimits> limits_in(const repo::WalContent& segment, const std::string& name,
                                      const std::filesystem::path& file);

/// Keeps them in the repository, for restores, before the segment is stored: with a segment that is
/// there already they are kept. That it cannot be done is a warning: restores read WAL as well.
void record_limits(repo::Repository& repository, const std::string& stanza,
                   const repo::Cluster& cluster, const std::string& segment,
                   const std::vector<RecordedLimits>& limits);

/// All records of limits in the repositories that can be read.
std::vector<repo::LimitsRecord> read_limits(const std::string& stanza,
                                            std::span<repo::Repository> repositories);

/// Where the server first ran with wal_level=minimal on the way from the backup's start through the
/// timelines to `end`: no recovery goes past it. Pure.
std::optional<Lsn> minimal_on_way(std::span<const repo::LimitsRecord> limits,
                                  const repo::BackupMarker& backup,
                                  std::span<const TimelineSpan> path, Lsn end);

/// Those of `limits` on the way from the backup's start through the timelines to `end`, by LSN.
/// Pure.
std::vector<RecordedLimits> limits_on_way(std::span<const repo::LimitsRecord> limits,
                                          const repo::BackupMarker& backup,
                                          std::span<const TimelineSpan> path, Lsn end);

}  // namespace pgcairn::engine
