#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/engine/restore/restore.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace pgcairn::engine {

/// How long a restore will take, by what a drill of the stanza took.
struct RestoreEstimate {
  milliseconds restore{};
  std::uint64_t wal_bytes = 0;           // that are replayed, at most
  std::optional<milliseconds> recovery;  // nothing: the drill replayed too little to tell
  std::string drilled;                   // the backup that the drill restored
  Timestamp drill_time{};
};

/// By the newest drill whose backup is still known. Nothing when no drill is recorded, or the
/// records cannot be read: a plan does not fail for want of an estimate.
std::optional<RestoreEstimate> estimate_restore(const RestorePlan& plan);

/// The WAL that the plan replays, at most.
std::uint64_t replayed_bytes(const RestorePlan& plan);

}  // namespace pgcairn::engine
