#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/restore/estimate.hpp>
#include <pgcairn/repo/records.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kMostDrillsTried = 8;
// Below that, a drill's time is that of starting and ending, not a rate.
constexpr std::uint64_t kLeastWalBytes = kMiB;

milliseconds at_rate(std::uint64_t bytes, std::uint64_t drilled_bytes, double seconds) {
  const double share = static_cast<double>(bytes) / static_cast<double>(drilled_bytes);
  return milliseconds(static_cast<std::int64_t>(seconds * share * 1000));
}

std::optional<RestoreEstimate> by_drill(const RestorePlan& plan, const repo::Record& record) {
  const auto& drill = std::get<repo::DrillRecord>(record.content);
  const std::uint64_t drilled_bytes =
      drill.backup == plan.backup.label
          ? plan.backup.cluster_bytes
          : plan.repository->read_marker(plan.stanza, drill.backup).cluster_bytes;
  if (drilled_bytes == 0 || drill.restore_seconds <= 0) return std::nullopt;
  RestoreEstimate estimate;
  estimate.restore = at_rate(plan.write_bytes, drilled_bytes, drill.restore_seconds);
  estimate.wal_bytes = replayed_bytes(plan);
  if (drill.wal_bytes >= kLeastWalBytes && drill.recovery_seconds > 0)
    estimate.recovery = at_rate(estimate.wal_bytes, drill.wal_bytes, drill.recovery_seconds);
  estimate.drilled = drill.backup;
  estimate.drill_time = record.time;
  return estimate;
}

}  // namespace

std::uint64_t replayed_bytes(const RestorePlan& plan) {
  const RecoveryTarget& target = plan.options.target;
  Lsn end = plan.backup.stop_lsn;
  if (const auto* const lsn = target.lsn()) {
    end = lsn->at;
  } else if (target.goes_beyond_backup()) {
    end = std::max(end, plan.wal.end);
  }
  return end > plan.backup.start_lsn ? end.value - plan.backup.start_lsn.value : 0;
}

std::optional<RestoreEstimate> estimate_restore(const RestorePlan& plan) {
  if (plan.repository == nullptr) return std::nullopt;
  try {
    const auto drills =
        repo::read_records(*plan.repository, plan.stanza, {"drill"}, [](const DamagedError&) {});
    const std::size_t tried = std::min(drills.size(), kMostDrillsTried);
    for (std::size_t i = 0; i < tried; ++i) {
      try {
        if (auto estimate = by_drill(plan, drills[drills.size() - 1 - i])) return estimate;
      } catch (const MissingError&) {
        // Its backup has expired since.
      }
    }
  } catch (const Error& error) {
    log_detail(format("the time of the restore is not estimated: {}", error.message()));
  }
  return std::nullopt;
}

}  // namespace pgcairn::engine
