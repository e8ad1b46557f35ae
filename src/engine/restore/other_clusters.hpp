#pragma once

#include <pgcairn/engine/restore/restore.hpp>

namespace pgcairn::engine {

/// Throws UsageError where a place of the restore is in the data directory of another cluster.
void require_outside_of_clusters(const RestorePlan& plan);

/// Throws where another server on this host uses a place that the restore writes to or empties: a
/// link that a copied directory has, too, does not make it this cluster's.
void require_no_other_owner(const RestorePlan& plan);

/// Notes places of which more than the last directory is missing: a disk that is not mounted, most
/// likely.
void note_missing_mounts(RestorePlan& plan);

}  // namespace pgcairn::engine
