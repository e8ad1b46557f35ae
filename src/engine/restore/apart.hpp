#pragma once

#include "stanza/places_apart.hpp"

#include <pgcairn/engine/restore/restore.hpp>

#include <vector>

namespace pgcairn::engine {

/// Where a restore puts the cluster. Of a tablespace's location that is the directory of its
/// version: what is beside it may be anything.
std::vector<NamedPlace> places_of_restore(const RestorePlan& plan);

/// A copy keeps away from all that its original has on this host: its data directory, what links in
/// it lead to now, and the whole locations of its tablespaces, unless it takes the original's
/// place.
void require_apart_from_original(const RestorePlan& plan);

}  // namespace pgcairn::engine
