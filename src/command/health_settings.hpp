#pragma once

#include "said.hpp"

#include <pgcairn/engine/health_limits.hpp>

namespace pgcairn::command {

/// Where good ends for the stanza whose section counts, by the configuration file or the defaults.
engine::HealthLimits health_limits(const Said& said);

}  // namespace pgcairn::command
