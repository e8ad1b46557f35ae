#pragma once

#include "settings/option_sources.hpp"

#include <pgcairn/engine/restore/recovery_target.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace pgcairn::command {

/// Which backup is restored and where recovery ends, as the operator said it: what restore and
/// drill have in common.
struct TargetSettings {
  std::string set;  // empty: chosen for the target
  bool accept_damage = false;
  std::string type = "default";  // engine::RestoreType's names
  std::string target;            // as it was written
  bool exclusive = false;
  std::optional<engine::RecoveryTarget> recovery_target;  // none: a time, read by restore_goal()
  std::string action;
  std::string timeline = "latest";  // latest | current | a number above 0
};

/// Checks that set, type, target, action, exclusive and timeline go together, and reads the target,
/// but for a time, which restore_goal() reads. Throws UsageError.
TargetSettings load_target(const OptionSources& options, std::string_view verb);

/// Throws UsageError unless `name` is a setting that --recovery-option may write beside a target of
/// this type.
void check_recovery_option(const std::string& name, std::string_view type);

/// The segment of --accept-gap. Throws UsageError.
std::string segment_of(const Value& gap);

}  // namespace pgcairn::command
