#pragma once

#include <pgcairn/engine/restore/restore.hpp>

namespace pgcairn::engine {

/// What becomes of the configuration outside of the data directory: fills plan.outside and adds to
/// plan.notes.
void plan_config(RestorePlan& plan);

/// Adds to plan.notes what the backup lacks, because it could not be read or was excluded.
void note_unreadable(RestorePlan& plan);

}  // namespace pgcairn::engine
