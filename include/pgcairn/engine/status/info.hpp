#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/engine/status/verdict.hpp>
#include <pgcairn/engine/wal/branch.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/lease.hpp>
#include <pgcairn/repo/records.hpp>
#include <pgcairn/repo/repository.hpp>

#include <map>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// A stretch of one timeline to every moment of which the cluster can be restored: from where a
/// backup is consistent, or where the timeline left the one before it, to the end of the WAL that
/// goes on from there without a gap.
struct RestorableWindow {
  std::string cluster;  // id
  Timeline timeline = 0;
  Lsn from;
  Timestamp from_time{};  // the backup's end by the server's clock; or, when `switched`,
  bool switched = false;  // when the timeline's history was archived, by the store's clock
  Lsn to;                 // the byte after the last segment's
  Timestamp to_time{};    // when that was archived, by the store's clock: commits are older
  std::string last;       // the last segment
  std::string missing;    // the segment that is not there and ends it
  std::string after_gap;  // a later one that is there, if any: then `missing` is a gap
  Gap gap = Gap::none;    // what that means
  std::string partial;    // "....partial" that holds what is left of `missing`
  std::vector<std::string> backups;  // labels, oldest first, that a restore can begin with
  bool operator==(const RestorableWindow&) const = default;
};

/// What a backup takes in its repository: estimated by the mean size of its owners' packs, unless
/// these were listed.
struct BackupSizes {
  std::uint64_t named_bytes = 0;   // of all packs that it names
  std::uint64_t shared_bytes = 0;  // of these, what other backups name too
  std::uint64_t freed_bytes = 0;   // what goes when it alone is removed
  bool exact = false;
};

/// By the backups that are listed; only where they span a day or more.
struct Growth {
  double days = 0;  // from the end of the oldest backup to that of the newest
  std::int64_t cluster_bytes_per_day = 0;  // of the cluster itself: a line through all backups
  std::uint64_t stored_bytes_per_day = 0;  // that backups after the oldest wrote
  std::uint64_t wal_bytes_per_day = 0;     // that the archiver wrote
};

/// Of a file system that a repository or a cluster is on.
struct Space {
  std::uint64_t size_bytes = 0;
  std::uint64_t free_bytes = 0;
};

struct RepositoryInfo {
  std::string name;
  std::string type;
  std::string error;    // why it could not be read; empty: it was
  bool locked = false;  // `error` says that its key is missing or wrong
  // Nothing is there, be it not made yet, removed, or not mounted: `error` says the same.
  std::optional<MissingError> missing;
  std::string meant_stanza;        // near to the name of one that is not here; empty: none is
  std::vector<std::string> notes;  // what could not be read of it, and is neither backup nor WAL
  std::vector<repo::Cluster> clusters;
  std::vector<repo::BackupMarker> backups;  // oldest first
  /// Backups whose markers cannot be read, and why: what they hold is not known.
  std::map<std::string, std::string> unreadable;
  std::map<std::string, BackupSizes> sizes;  // by label
  std::vector<RestorableWindow> windows;
  std::vector<Branch> branches{};  // of each cluster the newest first; times where it has several
  std::uint64_t wal_segments = 0;
  std::uint64_t wal_bytes = 0;  // stored, with histories
  std::string wal_first;
  std::string wal_last;
  std::optional<Timestamp>
      wal_time{};  // when the newest segment was archived, by the store's clock
  std::optional<Growth> growth{};
  std::optional<Outlook> outlook{};                 // none: there is no backup, or it is not known
  std::vector<HealthFinding> findings;              // of judge(), by the stanza's limits
  std::optional<repo::RecordState> record_state{};  // none: the records could not be read
  std::optional<repo::LeaseState> lease{};          // the last that was written
  std::optional<Space> space{};                     // of a directory; the caller's

  /// A restore can begin with it: some window has it.
  bool restorable(std::string_view label) const;
};
struct StanzaInfo {
  std::string name;
  std::vector<RepositoryInfo> repositories;
  Timestamp when{};  // it was read
};

struct InfoOptions {
  std::set<std::string> stanzas;
  bool may_be_misspelt = false;  // look for a stanza with a name near to one that is not there
  bool and_found = false;        // and all stanzas that the repositories hold
  std::string set;               // only this backup; its sizes are exact
  std::map<std::string, HealthLimits> limits;  // by stanza
  HealthLimits default_limits;                 // of stanzas that have none of their own
};

/// Looks at stanzas. A repository that cannot be read is reported as such, never as empty; when no
/// stanza is known at all, the reason is thrown.
std::vector<StanzaInfo> read_info(const InfoOptions& options,
                                  std::span<repo::Repository> repositories, std::stop_token stop);

/// The slope of the line that lies nearest to the points, by least squares; none for fewer than two
/// different `x`. Pure.
struct Point {
  double x = 0;
  double y = 0;
};
std::optional<double> slope_of(std::span<const Point> points);

/// When a file system is full if all goes on as it did; pure.
struct Forecast {
  double bytes_per_day = 0;      // a line through what backups and WAL wrote, day by day
  std::optional<double> days{};  // until nothing is free; none: it does not grow
};
std::optional<Forecast> forecast(const RepositoryInfo& repository);

}  // namespace pgcairn::engine
