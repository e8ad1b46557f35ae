#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/engine/status/health_limits.hpp>
#include <pgcairn/engine/wal/reach.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/records.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

/// From best to worst: a critical state is certain, an unknown one may be anything.
enum class HealthLevel { ok, warning, unknown, critical };
std::string_view name_of(HealthLevel level);
std::string_view shouted(HealthLevel level);  // "WARNING"; "ok" is not an alarm

struct HealthFinding {
  std::string check;       // "backup-age"
  std::string repository;  // empty: about the server
  HealthLevel level = HealthLevel::ok;
  std::string message;
  std::optional<double> value{};  // what was measured, where there is a number
  std::string unit;               // "s", "B", "%" or none
  HealthLimit limit{};
};
HealthLevel worst_of(std::span<const HealthFinding> findings);

/// How a restore would fare that has no target: by the choice and the trace that it follows itself.
struct Outlook {
  std::string backup;              // label that it begins with; empty: it cannot be done
  std::string unreachable_reason;  // then
  std::string first;               // segment that it needs first
  Timeline timeline = 0;
  Lsn to;
  std::string last;                      // segment
  std::optional<Timestamp> to_time{};    // when that was archived, by the store's clock
  std::uint64_t damaged_pages = 0;       // of the cluster, in the backup
  std::string first_damaged;             // of them: "block 7 of base/5/16384 (table ...)"
  std::vector<std::string> passed_over;  // newer backups, a sentence each
  /// The newest backup that leads to the newest timeline, whatever its state.
  std::string newest_on_way;  // label; empty: none is known to
  Timestamp newest_stop{};
  /// Where archived WAL lacks a segment, and goes on after it.
  struct Hole {
    std::string missing;
    std::string after_gap;
    Gap gap = Gap::lost;
  };
  std::optional<Hole> ends_at{};    // recovery ends there, before the newest WAL
  std::optional<Lsn> minimal_at{};  // no recovery goes past it: wal_level was minimal from there on
  std::vector<Hole> holes;          // before the backup: no moment in them can be restored
  std::string looked_from;          // the first segment that was looked at; empty: at all there is
  bool beyond = false;              // the way begins before it: nothing else is known
};

/// What is known of one repository's part of a stanza.
struct RepositoryState {
  std::string repository;
  Timestamp when{};
  std::vector<std::string> labels;                  // of all backups
  std::optional<Timestamp> oldest_backup{};         // by its label
  const repo::BackupMarker* newest = nullptr;       // null: none can be read
  std::vector<std::string> unreadable;              // markers and records, with why
  const repo::RecordState* record_state = nullptr;  // null: the records could not be read
  const Outlook* outlook = nullptr;                 // null: there is none, or it is not known
  bool kept_elsewhere = false;                      // another repository has backups
};

/// Whether the newest moment can be restored, from which backup, and what speaks against it: holes
/// in the WAL, damage, damaged pages, failed drills, and ages beyond the limits. The one evaluation
/// that info, report and health show. Pure.
std::vector<HealthFinding> judge(const RepositoryState& state, const HealthLimits& limits);

/// The one finding of a repository of which nothing is known.
HealthFinding unread_finding(const std::string& repository, const std::string& why);

/// What the findings come to, for a first line: the worst level, and the first finding of it; where
/// all is well, what can be restored.
struct Verdict {
  HealthLevel level = HealthLevel::ok;
  std::string message;
};
Verdict verdict_of(std::span<const HealthFinding> findings);

/// "ok: ...", "WARNING: ...".
std::string words_of(const Verdict& verdict);

/// When a backup of the stanza was last verified, or drilled; none: never.
std::optional<Timestamp> last_verify_time(const repo::RecordState& record_state);
std::optional<Timestamp> last_drill_time(const repo::RecordState& record_state);
}  // namespace pgcairn::engine
