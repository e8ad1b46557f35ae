#pragma once

#include "settings/settings.hpp"
#include "settings/values.hpp"

namespace pgcairn::command {

/// Checks that type, target, action and exclusive go together, and reads the target, but for a
/// time, which restore_goal() reads. Throws UsageError.
void read_target(Settings& settings);

/// Throws UsageError unless `name` is a setting that --recovery-option may write beside the target
/// of `settings`.
void check_recovery_option(const std::string& name, const Settings& settings);

/// The segment of --accept-gap. Throws UsageError.
std::string gap_of(const Value& gap);

/// Reads archive-get's --guard: an LSN, or two with a comma. Throws UsageError.
void read_guard(const Value& guard, Settings& settings);

}  // namespace pgcairn::command
