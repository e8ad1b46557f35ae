#pragma once

#include <pgcairn/engine/restore.hpp>

namespace pgcairn::engine {

/// Refuses an options.config_to in which the configuration would mix with the cluster or with what
/// is there. Touches nothing. To be called when all other places are known.
void check_config_place(const RestorePlan& plan);

/// What becomes of the configuration outside of the data directory: fills plan.outside and adds to
/// plan.notes.
void plan_config(RestorePlan& plan);

}  // namespace pgcairn::engine
