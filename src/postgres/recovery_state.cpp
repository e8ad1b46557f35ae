#include <pgcairn/common/file.hpp>
#include <pgcairn/postgres/control.hpp>
#include <pgcairn/postgres/recovery_state.hpp>

namespace pgcairn::postgres {

namespace {

constexpr int kInArchiveRecovery = 5;  // DB_IN_ARCHIVE_RECOVERY, pg_control.h

bool is_new(const std::filesystem::path& directory) {
  try {
    return never_started(read_control_file(directory));
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

RecoveryState recovery_state(const std::filesystem::path& directory) noexcept {
  try {
    if (stat_if_exists(directory / "standby.signal"))
      return is_new(directory) ? RecoveryState::new_standby : RecoveryState::standby;
    if (stat_if_exists(directory / "recovery.signal")) return RecoveryState::recovering;
    if (!stat_if_exists(directory / "global/pg_control")) return RecoveryState::none;
    return read_control_file(directory).state == kInArchiveRecovery ? RecoveryState::ending
                                                                    : RecoveryState::none;
  } catch (...) {
    return RecoveryState::none;
  }
}

}  // namespace pgcairn::postgres
