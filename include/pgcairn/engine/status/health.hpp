#pragma once

#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/engine/status/health_limits.hpp>
#include <pgcairn/engine/status/info.hpp>
#include <pgcairn/engine/status/verdict.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

/// What monitoring asks of a repository: little is read, so that it can be asked every minute.
struct RepositoryFacts {
  std::string name;
  std::string error;                // why it could not be read; then nothing below is known
  std::vector<std::string> labels;  // of all backups, oldest first
  std::optional<Timestamp> oldest_backup{};  // by its label
  std::vector<repo::BackupMarker> newest;    // of all, at most kBackupsLookedAt; oldest first
  std::vector<std::string> unreadable;       // markers and records, with why
  std::string wal_last;                      // of the server's timeline, or what leads to it
  std::optional<Timestamp> wal_time{};       // when it was archived, by the store's clock
  std::optional<repo::RecordState> record_state{};
  std::optional<Outlook> outlook{};
  std::optional<repo::LeaseState> lease{};
  std::vector<storage::StoreRule> harmful_rules{};  // of the store; none also when it does not tell
  std::filesystem::path directory;                  // empty: a store that cannot be full
  std::optional<Space> space{};
};
inline constexpr std::size_t kBackupsLookedAt = 30;

/// What the server says of itself and of its archiver.
struct ServerFacts {
  std::string error;  // why it could not be asked; then nothing below is known
  SystemId system_id = 0;
  int pg_version = 0;  // major
  bool in_recovery = false;
  bool archives = false;
  std::uint64_t wal_segment_bytes = kDefaultWalSegmentBytes;
  Lsn current;            // written, or on a standby replayed
  Timeline timeline = 0;  // that a primary writes; 0: not known
  Lsn current_after;      // written by a primary after the repositories were read
  std::uint64_t archived_count = 0;
  std::uint64_t failed_count = 0;
  std::string failing;  // the segment that the archiver fails with now; empty: it does not
};

struct HealthFacts {
  std::string stanza;
  Timestamp when{};
  std::vector<RepositoryFacts> repositories;
  ServerFacts server;
  std::optional<std::string> stopped_here{};  // on this host: when and why, in words; the caller's
  bool server_here = true;                    // pg_wal is on this host
  std::optional<Space> pg_wal_space{};
};

/// Asks the server, where it answers, and the repositories. `directories` are those of the
/// repositories, in their order; empty paths where there is none.
HealthFacts read_health(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                        std::span<const std::filesystem::path> directories, std::stop_token stop);

/// What the facts come to, in the order of the table in pgcairn-health(1); what could not be found
/// out is unknown, never ok. Pure.
std::vector<HealthFinding> evaluate_health(const HealthFacts& facts, const HealthLimits& limits);

/// What the repositories alone come to, and what info and report show as well. Pure.
std::vector<HealthFinding> judge_all(const HealthFacts& facts, const HealthLimits& limits);

/// What is behind in the archive: bytes of WAL that the server has written and the repository has
/// not; none where it is not known, as when the archive is ahead.
std::optional<std::uint64_t> wal_lag_bytes(const RepositoryFacts& repository,
                                           const ServerFacts& server);
/// Of all backups, those that a verify run found damaged.
std::vector<std::string> damaged_backups(const RepositoryFacts& repository);

}  // namespace pgcairn::engine
