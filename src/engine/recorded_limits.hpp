#pragma once

#include <pgcairn/engine/restore.hpp>
#include <pgcairn/repo/records.hpp>

#include <filesystem>
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

/// Keeps them in the repository, for restores.
void record_limits(repo::Repository& repository, const std::string& stanza,
                   const repo::Cluster& cluster, const std::string& segment,
                   const std::vector<RecordedLimits>& limits);

/// Those on the plan's way through the timelines, after the backup's start and before the end of
/// the archived WAL, from all repositories that can be read, by LSN.
std::vector<RecordedLimits> recorded_limits(const RestorePlan& plan,
                                            std::span<repo::Repository> repositories);

}  // namespace pgcairn::engine
