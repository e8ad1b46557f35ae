#pragma once

#include "wal/branches.hpp"
#include "wal/trace.hpp"

#include <pgcairn/engine/progress.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// What a search looks for: the end of a transaction, or a restore point.
struct SoughtRecord {
  std::optional<std::uint32_t> xid;
  std::string restore_point;  // when xid is none
};

/// Segments at the end of the WAL that are opened for what is only shown: the last transaction, the
/// end of a backup.
inline constexpr std::size_t kMostLookedAt = 16;

/// Where the WAL that makes a backup consistent ends.
struct EndOfBackup {
  Lsn last_record;           // begins there; 0: not found
  bool is_followed = false;  // by another whole record
};

/// The archived WAL of one cluster, in all repositories together.
class ArchiveReader {
 public:
  /// Lists it. A repository that cannot be listed is noted, not taken for an empty one.
  /// A requested `stop` ends all that reads files of it with Interrupted.
  ArchiveReader(std::string stanza, repo::Cluster cluster, std::span<repo::Repository> repositories,
                std::stop_token stop = {});

  const Timelines& timelines() const { return timelines_; }
  const std::vector<std::string>& notes() const { return notes_; }
  /// Timelines whose history is archived, and of which no copy could be read.
  const std::vector<Timeline>& unread_histories() const { return unread_; }

  /// Where "latest" would lead a server: histories that it cannot read would stop it.
  Timeline latest_of_server(Timeline from) const;

  /// What is archived, for a trace; the archive must outlive it.
  ArchivedNames names() const;
  /// From the backup's first segment along `path`.
  WalReach reach(const repo::BackupMarker& backup, const std::vector<TimelineSpan>& path) const;
  /// Looks into the end of what `reach` reaches for its last record and last transaction, segment
  /// by segment backwards for as long as `go_on`, given how many were read, says yes.
  void look_at_end(WalReach& reach, const repo::BackupMarker& backup, std::size_t workers,
                   const std::function<bool(std::size_t)>& go_on);
  /// What is archived of each timeline, in all repositories together.
  std::map<Timeline, TimelineWal> timeline_wal() const;
  /// Looks at the record that ends the backup, and for one after it.
  EndOfBackup look_at_backup_end(const WalReach& reach, const repo::BackupMarker& backup);
  /// Is the record between the backup's end and the end of the WAL on `path`?
  Found search(const SoughtRecord& sought, const repo::BackupMarker& backup,
               const std::vector<TimelineSpan>& path);
  /// Reads these segments, which follow each other, at most `workers` at once, and gives each with
  /// its start to `read_on`, until that has read enough and returns false.
  void follow(const std::vector<std::string>& names, std::uint64_t segment_bytes,
              std::size_t workers, Progress& progress,
              const std::function<bool(Bytes, Lsn)>& read_on);
  /// The whole file; throws Error when no repository gives it.
  Buffer read(const std::string& file);

 private:
  struct Listed {
    repo::Repository* repository = nullptr;
    repo::WalListing wal;
  };
  bool has_backup_file(const std::string& segment) const;
  std::vector<std::string> holders(const std::string& file) const;
  std::string first_of(Timeline timeline, std::uint64_t segment_bytes) const;
  void read_histories();

  std::string stanza_;
  repo::Cluster cluster_;
  std::stop_token stop_;
  std::vector<Listed> listed_;
  Timelines timelines_;
  std::vector<std::string> notes_;
  std::vector<Timeline> unread_;
};

}  // namespace pgcairn::engine
