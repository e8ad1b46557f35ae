#pragma once

#include <filesystem>

namespace pgcairn::postgres {

/// What recovery a data directory is in, as its files show it to a restore_command, which runs in
/// it.
enum class RecoveryState {
  none,         // no data directory, no recovery, or it cannot be read
  recovering,   // recovery.signal: recovery ends at its target, or where the archive does
  new_standby,  // standby.signal, and no server has opened what was restored
  standby,      // standby.signal
  ending,       // archive recovery goes on in pg_control, and the signal file is gone
};

/// Looks into `directory`. At the end of every archive recovery, a promotion included, the server
/// removes the signal file first and asks for its timeline's history then (StartupXLOG, xlog.c of
/// PostgreSQL 13 to 19): that is `ending`. Both signal files: a standby, as the server takes it.
/// Never throws: what cannot be read is `none`.
RecoveryState recovery_state(const std::filesystem::path& directory) noexcept;

}  // namespace pgcairn::postgres
