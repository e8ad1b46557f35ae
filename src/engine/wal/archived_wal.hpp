#pragma once

#include "wal/timelines.hpp"
#include "wal/trace.hpp"

#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pgcairn::engine {

/// What is archived of one cluster, with the times at which it was, by the store's clock.
struct ArchivedWal {
  std::vector<std::pair<std::string, Timestamp>> segments;  // sorted by name
  std::vector<std::string> partials;                        // "....partial", sorted
  std::set<std::string> backup_files;  // segments of which there is a "....backup"
  std::map<Timeline, Timestamp> histories;
  Timelines timelines;
};

/// Adds an object to what is archived, but for its content. In the order of a listing.
void note_archived(ArchivedWal& wal, const repo::ListedWal& object);

/// For a trace; `wal` must outlive it.
ArchivedNames names_of(const ArchivedWal& wal);

/// When a segment of `wal` was archived. It must be there.
Timestamp archived_at(const ArchivedWal& wal, const std::string& segment);

}  // namespace pgcairn::engine
