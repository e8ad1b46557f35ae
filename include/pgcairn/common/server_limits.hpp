#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace pgcairn {

/// The settings that a server which replays WAL must not have lower than the server that wrote it
/// (CheckRequiredParameterValues, xlogrecovery.c).
inline constexpr std::array<std::string_view, 5> kLimitNames = {
    "max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions",
    "max_locks_per_transaction"};

/// Their values, and the wal_level, as the control file and WAL keep them.
struct ServerLimits {
  std::array<std::uint32_t, kLimitNames.size()> values{};
  std::uint32_t wal_level = 0;  // WalLevel of access/xlog.h
  bool operator==(const ServerLimits&) const = default;
};
inline constexpr std::uint32_t kWalLevelMinimal = 0;

/// The higher one of each; the wal_level is the first's.
inline ServerLimits highest(ServerLimits one, const ServerLimits& other) {
  for (std::size_t i = 0; i < one.values.size(); ++i)
    one.values[i] = std::max(one.values[i], other.values[i]);
  return one;
}

}  // namespace pgcairn
