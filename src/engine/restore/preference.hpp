#pragma once

#include "restore/choose_backup.hpp"

#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// What speaks against a backup, from best to worst.
struct Flaw {
  enum class Kind {
    none,
    pages,    // pages were damaged in the cluster already when they were copied
    damaged,  // verify recorded that it needs something damaged or missing
    lacking,  // what it needs was just found to be damaged or missing
  } kind = Kind::none;
  std::string reason;
};
using Flaws = std::map<std::string, Flaw>;  // by label; absent: none

/// "block 7 of base/5/16384 (table public.orders in database shop)". Of a backup that has damaged
/// pages.
std::string first_damaged_page(const repo::BackupMarker& backup);
/// Of the pages that the marker names.
Flaw page_flaw(const repo::BackupMarker& backup);
/// That of `flaws`, or page_flaw().
Flaw flaw_of(const repo::BackupMarker& backup, const Flaws& flaws);

struct Preferred {
  Choice choice;
  Flaw flaw;  // of the chosen one
  /// A sentence for each backup that would have been chosen but for its flaw.
  std::vector<std::string> passed_over;
};

/// How far WAL leads from a backup along a path.
using ReachOf =
    std::function<WalReach(const repo::BackupMarker&, const std::vector<TimelineSpan>&)>;

/// choose_backup(), and then a better one: where the chosen one has a flaw, the newest one with a
/// lesser flaw is taken that reaches the same end on the same timeline. One that was named
/// stays, and so does one whose own end is the target: no other backup has it. Pure but for what it
/// asks.
Preferred prefer_whole(std::span<const repo::BackupMarker> backups, const Flaws& flaws,
                       const RestoreOptions& options, const ChoiceSources& sources,
                       const ReachOf& reach);

}  // namespace pgcairn::engine
