#pragma once

#include "settings/recovery_target.hpp"
#include "settings/target_time.hpp"

#include <pgcairn/engine/restore/restore.hpp>

#include <optional>

namespace pgcairn::command {

/// Which backup is restored, and where recovery ends: what restore and drill have in common.
struct RestoreGoal {
  engine::RestoreOptions options;
  std::optional<TargetTime> target;  // when it is a time
};
/// The time of a target is read now. Throws UsageError.
RestoreGoal restore_goal(const TargetSettings& settings, unsigned workers);

}  // namespace pgcairn::command
