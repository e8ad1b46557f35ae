#include "backup/prior_choice.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>

namespace pgcairn::engine {

std::optional<postgres::TimelineHistory> way_to_now(const std::filesystem::path& data_directory,
                                                    Timeline timeline) {
  try {
    return postgres::read_timeline_history(data_directory, timeline);
  } catch (const Error& error) {
    log_detail(
        format("which backups are on the server's branch is not known: {}", error.message()));
    return std::nullopt;
  }
}

std::vector<PriorCandidate> prior_candidates(std::span<const repo::BackupMarker> backups,
                                             const std::string& cluster_id, repo::BackupType type,
                                             const std::optional<postgres::TimelineHistory>& way) {
  std::vector<PriorCandidate> candidates;
  for (auto backup = backups.rbegin(); backup != backups.rend(); ++backup) {
    if (backup->cluster != cluster_id) continue;
    if (type == repo::BackupType::differential && backup->type != repo::BackupType::full) continue;
    const bool left = way && !postgres::is_on_path(*way, {backup->timeline, backup->stop_lsn});
    candidates.push_back({&*backup, left});
  }
  std::stable_partition(candidates.begin(), candidates.end(),
                        [](const PriorCandidate& candidate) { return !candidate.left; });
  return candidates;
}

void say_left(std::span<const PriorCandidate> candidates, const std::string& chosen,
              Timeline timeline) {
  const auto label_time = [](const PriorCandidate& one) {
    return repo::label_time(one.backup->label);
  };
  for (const PriorCandidate& one : candidates) {
    if (one.left && label_time(one) > repo::label_time(chosen)) {
      log_info(
          format("backup {} is newer and not used as the prior one: it ended on a branch that "
                 "timeline {} has left",
                 one.backup->label, timeline));
    }
  }
}

}  // namespace pgcairn::engine
