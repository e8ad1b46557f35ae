#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/engine/progress.hpp>
#include <pgcairn/repo/records.hpp>
#include <pgcairn/repo/repository.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

enum class VerifyLevel {
  quick,  // what is named exists and has its size; manifests and markers are read
  full,   // every frame of every pack and WAL object is opened as well
};

struct VerifyOptions {
  std::string set;  // label of the one backup to look at; empty: all
  VerifyLevel level = VerifyLevel::quick;
  unsigned sample_percent = 100;  // of packs and WAL objects, level full; chosen at random
  /// Level full: when it is over, no further object is opened, and the next run that has such a
  /// limit begins where this one stopped.
  std::optional<milliseconds> max_duration;
  bool record = true;  // what was found, in the repository
  unsigned process_max = 1;
};

/// Something that is not as it was written, or is not there.
struct Damage {
  std::string object;  // key; of a gap in WAL the segment that is missing
  std::uint64_t offset_bytes = 0;
  std::string cause;
  std::vector<std::string> backups;  // labels of those that need it
  /// Of a pack, the frame that is damaged; none: all of it.
  std::optional<std::uint32_t> frame{};
  /// Set where a page was stored as it should not be: its block in the relation of paths[0].
  std::optional<std::uint32_t> block{};
  /// Paths of the cluster that it holds a part of, at most kMostFilesNamed; `files` tells all.
  std::vector<std::string> paths{};
  std::uint64_t files = 0;
};
inline constexpr std::size_t kMostFilesNamed = 20;

/// Damage that an earlier run recorded, and that no later one has read well.
struct RecordedFinding {
  Timestamp time{};                  // of the run
  std::string level;                 // "quick" or "full": what finds out whether it is still so
  std::uint64_t count = 0;           // of what it found
  std::vector<std::string> damages;  // "KEY at OFFSET: CAUSE", the first of them
  std::vector<std::string> backups;  // labels that count as damaged by it; none: WAL alone is
};

struct VerifiedRepository {
  std::string name;
  std::string error;  // why it could not be looked at; then nothing is known of it
  std::uint64_t backups = 0;
  std::uint64_t packs = 0;
  std::uint64_t packs_opened = 0;
  std::uint64_t wal_segments = 0;  // with what else is archived beside them
  std::uint64_t wal_opened = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t known_bad_pages = 0;  // that were bad in the cluster, which their backups say
  std::vector<Damage> damages;
  std::vector<RecordedFinding> recorded;
  std::vector<std::string> labels;  // of the backups that were looked at
  std::string next;                 // time was up: the first object that was not opened
  double seconds = 0;
  std::vector<std::string> warnings;  // what may be a loss, or not
  /// What is not damage, and worth knowing.
  std::vector<std::string> notes;
};

struct VerifyResult {
  std::vector<VerifiedRepository> repositories;
  bool damaged() const;  // now, or by what is recorded
  bool doubtful() const;
  bool unread() const;
};

/// Compares what the repositories hold with what the markers and manifests say. Changes nothing but
/// that what it found is recorded in each. Damage is a result; only a stanza or backup that is in
/// no repository is thrown (MissingError).
VerifyResult verify(const std::string& stanza, std::span<repo::Repository> repositories,
                    const VerifyOptions& options, Progress& progress, std::stop_token stop);

/// The object at which a run of level full begins that is limited in time, as the records of
/// earlier runs over all backups tell; empty: at the first one. Pure.
std::string first_object(std::span<const repo::Record> records, std::size_t backups);

/// Of these backups, and when they are all there are, of the archive: what the records say that is
/// not in `found_now`, the record of this run. Pure.
std::vector<RecordedFinding> recorded_findings(const repo::RecordState& record_state,
                                               std::span<const std::string> labels, bool all,
                                               const std::string& found_now);

/// What is to be remembered of a run over one repository.
repo::VerifyRecord record_of(const VerifiedRepository& result, const VerifyOptions& options);

}  // namespace pgcairn::engine
