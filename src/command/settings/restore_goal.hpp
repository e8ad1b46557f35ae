#pragma once

#include "settings/settings.hpp"
#include "settings/target_time.hpp"

#include <pgcairn/engine/restore/restore.hpp>

#include <optional>

namespace pgcairn::command {

/// Which backup is restored, and where recovery ends: what restore and drill have in common.
struct RestoreGoal {
  engine::RestoreOptions options;
  std::optional<TargetTime> target;  // when it is a time
};
RestoreGoal restore_goal(const Settings& settings);

}  // namespace pgcairn::command
