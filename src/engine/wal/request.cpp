#include <pgcairn/common/file.hpp>
#include <pgcairn/engine/wal/archive.hpp>

namespace pgcairn::engine {

namespace {

using postgres::RecoveryState;

/// PostgreSQL writes histories from timeline 2 on (timeline.c).
constexpr std::string_view kNoHistory = "00000001.history";

bool is_history(const WalRequest& request) {
  return wal_file_kind(request.name) == WalFileKind::timeline_history;
}

bool is_data_directory(const fs::path& directory) noexcept {
  std::error_code unknown;
  return fs::exists(directory / "global/pg_control", unknown);
}

}  // namespace

WalRequest wal_request(const std::string& name, const fs::path& destination) {
  WalRequest request;
  request.name = name;
  std::error_code gone;
  const fs::path working = fs::current_path(gone);
  request.destination = destination.is_absolute() ? destination : working / destination;
  request.state = postgres::recovery_state(working);
  if (is_data_directory(working)) {
    request.directory = working;
  } else if (request.state == RecoveryState::none && !destination.empty()) {
    const fs::path holder = request.destination.lexically_normal().parent_path().parent_path();
    if (!is_data_directory(holder)) return request;
    request.directory = holder;
    request.state = postgres::recovery_state(holder);
  }
  return request;
}

bool taken_for_absent(const WalRequest& request) {
  switch (request.state) {
    case RecoveryState::standby:
      return true;
    case RecoveryState::new_standby:
      // A branch that it does not see now it would leave the right way for.
      return !is_history(request);
    case RecoveryState::ending:
      return is_history(request);
    case RecoveryState::recovering:
    case RecoveryState::none:
      return false;
  }
  return false;
}

bool is_known_absent(const WalRequest& request) {
  if (request.name == kNoHistory) return true;
  if (request.state != RecoveryState::ending || !is_history(request)) return false;
  std::error_code unknown;
  return fs::exists(request.destination.parent_path() / request.name, unknown);
}

}  // namespace pgcairn::engine
