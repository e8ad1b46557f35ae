#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/postgres/connection.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/postgres/timeline.hpp>
#include <pgcairn/postgres/wal_summary.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::postgres {

class BlockSet;

/// What may have changed in one segment file of a relation's main fork. Blocks are counted from the
/// start of that file. A view: valid while the ChangedBlocks that it came from is not touched.
class FileChange {
 public:
  enum class Kind { unchanged, whole, blocks };
  Kind kind() const { return kind_; }

  bool contains(std::uint32_t block) const { return next(block) == block; }
  /// The first changed block at or after `from`: a loop over next(last + 1) meets all of them,
  /// ascending. They may lie behind the end of the file: stop there.
  std::optional<std::uint32_t> next(std::uint32_t from) const;
  /// How many of the first `blocks` blocks changed.
  std::uint32_t count(std::uint32_t blocks) const;

 private:
  friend class ChangedBlocks;
  FileChange() = default;
  Kind kind_ = Kind::unchanged;
  std::uint32_t limit_ = kRelationSegmentBlocks;  // this block and all after it changed
  std::array<const BlockSet*, 2> sets_{};         // of the segment's halves; null: empty
};

/// The blocks of main forks that may differ from an earlier backup: what all WAL summaries since
/// its start say, merged in any order. Marks are never taken back, the least limit
/// counts, and every block at or above it counts as changed. (PostgreSQL's own merge drops marks
/// above a limit even when they were made after it: basebackup_incremental.c.) Saying too much is
/// harmless. Other forks are not kept: they are to be copied whole.
///
/// Memory: about 50 bytes for a relation with up to four marked blocks, 2 bytes for each further
/// one, at most 8 KiB for each 512 MiB of a relation. Queries are safe from many threads.
class ChangedBlocks {
 public:
  ChangedBlocks();
  ~ChangedBlocks();
  ChangedBlocks(ChangedBlocks&&) noexcept;
  ChangedBlocks& operator=(ChangedBlocks&&) noexcept;

  void merge(const SummaryEntry& entry);

  /// Of the file <relfilenode>[.segment] in the database's directory. Whole: the database came or
  /// went meanwhile, or the relation was at some time not longer than where the segment begins.
  /// Whether the earlier backup has the file at all is for the caller to see.
  FileChange change_of(const RelationKey& relation, std::uint32_t segment) const&;
  FileChange change_of(const RelationKey&, std::uint32_t) const&& = delete;  // would not last

  std::uint64_t relations() const;
  /// What is allocated, roughly.
  std::uint64_t memory_bytes() const;

 private:
  struct Tables;
  std::unique_ptr<Tables> tables_;
};

/// What the server says of its summarizer (pg_get_wal_summarizer_state()).
struct SummarizerState {
  WalPosition summarized;
  Lsn pending_lsn;
  bool running = false;
  bool operator==(const SummarizerState&) const = default;
};

struct SummaryWait {
  milliseconds interval{100};     // between two looks
  milliseconds patience{60'000};  // without any progress of the summarizer
};

/// The summaries that hold all WAL of the ranges, waiting for the summarizer while it gets on; or
/// why they will not be there. `list` and `state` look at the server. Between two looks there is a
/// pause, of ten intervals once a hundred looks were in vain.
struct SummariesFound {
  std::vector<TimelineRange> summaries;
  std::string reason;  // empty: they are complete
  milliseconds waited{0};
};
SummariesFound wait_for_summaries(std::span<const TimelineRange> ranges,
                                  const std::function<std::vector<TimelineRange>()>& list,
                                  const std::function<SummarizerState()>& state,
                                  const SummaryWait& wait, Clock& clock, std::stop_token stop);

/// Merges the summaries of pg_wal/summaries that hold WAL of the ranges, without waiting; or tells
/// why they cannot say what changed (one is missing, or vanished meanwhile). Throws DamagedError,
/// SystemError when a file cannot be used.
struct SummariesRead {
  std::optional<ChangedBlocks> changed;
  std::string reason;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};
SummariesRead read_summaries(const std::filesystem::path& data_directory,
                             std::span<const TimelineRange> ranges, const std::stop_token& stop);

/// What to say of a server that keeps summaries for `keep` (0: without limit) while backups are
/// `prior_age` apart; empty when that is long enough.
std::string keep_time_warning(std::chrono::minutes keep, std::chrono::seconds prior_age);

/// The backup to build on and the one being taken, both by the answers of pg_backup_start and stop.
struct SummaryRequest {
  std::filesystem::path data_directory;
  WalPosition prior_start;
  Lsn prior_stop;
  WalPosition start;  // of this backup: pg_backup_start has returned
  /// How long ago the prior one was taken; 0 when not known. For the warning about
  /// wal_summary_keep_time.
  std::chrono::seconds prior_age{0};
  SummaryWait wait;
};

struct SummaryResult {
  std::optional<ChangedBlocks> changed;  // nothing: contents have to be compared
  std::string reason;                    // why; words that continue "because"
  std::string warning;                   // for the operator; empty: none
  std::uint64_t files = 0;               // summaries read
  std::uint64_t bytes = 0;               // of them
  milliseconds waited{0};                // for the summarizer
};

/// What changed from the prior backup's start to this one's, from the server's WAL summaries
/// (pg_wal/summaries, PostgreSQL 17 on), on any path of timelines that leads from one to the other.
/// What prevents it (an older server, summarize_wal off, summaries missing, damaged or late,
/// not an ancestor) is a reason, not an error: the caller compares contents instead. Throws
/// PostgresError when the session is lost, Interrupted.
SummaryResult collect_changed_blocks(Connection& connection, const SummaryRequest& request,
                                     std::stop_token stop);

}  // namespace pgcairn::postgres
