#pragma once

#include <pgcairn/common/server_limits.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/repo/repository.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace pgcairn::repo {

// Records: what is to be remembered of a stanza and its backups after they were made
// (pgcairn-repository(5), RECORDS). Write-once as all else: one that no longer counts is named by a
// later one, never changed.

/// A run of `verify` over one repository.
struct VerifyRecord {
  std::string level;                 // "quick" or "full"
  bool all = true;                   // every object was looked at, not a sample or a part of them
  std::vector<std::string> backups;  // labels of those that were looked at
  std::vector<std::string> damaged;  // of these, those that need something damaged or missing
  std::vector<std::string> damages;  // "KEY at OFFSET: CAUSE", at most kMostDamagesRecorded
  std::uint64_t damage_count = 0;
  std::uint64_t bytes_read = 0;
  double seconds = 0;
  /// Where the next run goes on that is limited in time: the first object that this one did not
  /// come to. Empty: it came to the end.
  std::string next;
  bool operator==(const VerifyRecord&) const = default;
};
inline constexpr std::size_t kMostDamagesRecorded = 100;

/// A restored backup was started and looked at.
struct DrillRecord {
  std::string backup;
  bool good = false;
  std::vector<std::string> findings;  // what was not good, a line each
  double restore_seconds = 0;
  double recovery_seconds = 0;
  std::uint64_t wal_bytes = 0;                  // replayed
  std::optional<Timestamp> last_transaction{};  // the last commit that recovery came to
  bool operator==(const DrillRecord&) const = default;
};

/// A backup is to be kept whatever the retention says, until that time or until released.
struct HoldRecord {
  std::string backup;
  std::string reason;
  std::optional<Timestamp> until{};
  bool operator==(const HoldRecord&) const = default;
};

/// A note on a backup. The latest one of a name counts; an empty text takes it away.
struct AnnotationRecord {
  std::string backup;
  std::string name;
  std::string text;
  bool operator==(const AnnotationRecord&) const = default;
};

/// Nothing is to be backed up, archived or expired in the stanza until this is released.
struct StopRecord {
  std::string reason;
  bool operator==(const StopRecord&) const = default;
};

/// Ends holds and stops. It names them, so that no clock decides what came first.
struct ReleaseRecord {
  std::vector<std::string> records;
  bool operator==(const ReleaseRecord&) const = default;
};

/// What a server noted in WAL of its settings when it started with others than before: restores
/// need not read all WAL to know them.
struct LimitsRecord {
  std::string cluster;  // id: <major>-<system id>
  Timeline timeline = 0;
  Lsn lsn;  // where the note begins
  ServerLimits limits;
  bool operator==(const LimitsRecord&) const = default;
};

using RecordContent = std::variant<VerifyRecord, DrillRecord, HoldRecord, AnnotationRecord,
                                   StopRecord, ReleaseRecord, LimitsRecord>;

struct Record {
  std::string name;  // of its document; also says what it is: "20261121-010203-hold-0f1e2d3c"
  Timestamp time{};  // by the writer's clock
  std::string host;
  RecordContent content;
};

/// The word in a record's name: "verify", "drill", "hold", "note", "stop", "release",
/// "limits".
std::string_view kind_of(const RecordContent& content);

/// The word in the name of a record that is not read: "hold"; empty when the name is none of ours.
std::string_view record_kind(std::string_view name);

/// Writes a new record; its name.
std::string add_record(Repository& repository, const std::string& stanza,
                       const RecordContent& content);

/// All records, oldest first. One that is damaged is passed to `damaged` and left out; without
/// that, thrown. `kinds`: read only these; empty: all.
std::vector<Record> read_records(Repository& repository, const std::string& stanza,
                                 const std::vector<std::string_view>& kinds = {},
                                 const std::function<void(const DamagedError&)>& damaged = {});

/// What the records of a stanza come to at a time. Pure.
class RecordState {
 public:
  RecordState(std::vector<Record> records, Timestamp when);

  /// The holds of a backup that count: not released, not over.
  std::vector<const Record*> holds(std::string_view label) const;
  /// Name and text of each annotation of a backup.
  std::vector<std::pair<std::string, std::string>> annotations(std::string_view label) const;
  /// The stops that were not released.
  std::vector<const Record*> stops() const;
  /// The verify record by which a backup counts as damaged: the newest that found it so, unless a
  /// later run of the same level or a higher one looked at all of it and found nothing.
  const Record* damage(std::string_view label) const;
  /// The newest verify or drill record of a backup, whatever it found.
  const Record* last_verify(std::string_view label) const;
  const Record* last_drill(std::string_view label) const;

  /// Is the record of this name named by a release?
  bool is_released(const std::string& name) const { return released_.contains(name); }

  const std::vector<Record>& records() const { return records_; }

 private:
  std::vector<Record> records_;  // oldest first
  Timestamp when_;
  std::set<std::string> released_;
};

/// Of these backups, those that count as damaged, in their order.
std::vector<std::string> damaged_of(const RecordState& record_state,
                                    std::span<const std::string> labels);
/// The newest run that found damage of what is not a backup's (the archive, histories, documents),
/// unless a later one of the same level or a higher one looked at everything and found none.
const Record* damage_of_archive(const RecordState& record_state);

}  // namespace pgcairn::repo
