#pragma once

#include "branches.hpp"
#include "restore_choice.hpp"
#include "wal_way.hpp"

#include <pgcairn/engine/restore.hpp>
#include <pgcairn/repo/repository.hpp>

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// How far segments go along `path` from segment `first` on: of each segment the newest timeline
/// that has begun by then is taken, as recovery does (XLogFileReadAnyTLI, xlogrecovery.c). `has`
/// tells the repositories that hold a file. Pure; reach.last_record and last_commit stay empty.
WalReach trace_wal(const std::vector<TimelineSpan>& path, WalSegment first,
                   std::uint64_t segment_bytes,
                   const std::function<std::vector<std::string>(const std::string&)>& has);

/// The archived WAL of one cluster, in all repositories together.
class WalArchive {
 public:
  /// Lists it. A repository that cannot be listed is noted, not taken for an empty one.
  WalArchive(std::string stanza, repo::Cluster cluster, std::span<repo::Repository> repositories);

  const Timelines& timelines() const { return timelines_; }
  const std::vector<std::string>& notes() const { return notes_; }
  /// Timelines whose history is archived, and of which no copy could be read.
  const std::vector<Timeline>& unread_histories() const { return unread_; }

  /// Where "latest" would lead a server: histories that it cannot read would stop it.
  Timeline latest_of_server(Timeline from) const;

  /// From the backup's first segment along `path`.
  WalReach reach(const repo::BackupInfo& backup, const std::vector<TimelineSpan>& path);
  /// Looks into the end of what `reach` reaches for its last record and last transaction, segment
  /// by segment backwards for as long as `go_on`, given how many were read, says yes.
  void look_at_end(WalReach& reach, const repo::BackupInfo& backup, std::size_t workers,
                   const std::function<bool(std::size_t)>& go_on);
  /// What is archived of each timeline, in all repositories together.
  std::map<Timeline, TimelineWal> timeline_wal() const;
  /// Is the target (xid, name) between the backup's end and the end of the WAL on `path`?
  Found search(const RestoreOptions& options, const repo::BackupInfo& backup,
               const std::vector<TimelineSpan>& path);
  /// Reads these segments, which follow each other, until the way is over: at most `workers` at
  /// once.
  void follow(WalWay& way, const std::vector<std::string>& names, std::uint64_t segment_bytes,
              std::size_t workers);
  /// The whole file; throws Error when no repository gives it.
  Buffer read(const std::string& file);

 private:
  struct Listed {
    repo::Repository* repository = nullptr;
    repo::WalListing wal;
  };
  std::vector<std::string> holders(const std::string& file) const;
  void find_later(WalReach& reach, const std::vector<TimelineSpan>& path,
                  std::uint64_t segment_bytes) const;
  void read_histories();

  std::string stanza_;
  repo::Cluster cluster_;
  std::vector<Listed> listed_;
  Timelines timelines_;
  std::vector<std::string> notes_;
  std::vector<Timeline> unread_;
};

/// The names of all segments of `reach`, in order.
std::vector<std::string> segments_of(const WalReach& reach, std::uint64_t segment_bytes);

}  // namespace pgcairn::engine
