#pragma once

#include "settings/option_sources.hpp"
#include "settings/settings.hpp"

#include <pgcairn/engine/status/health_limits.hpp>

namespace pgcairn::command {

/// Where good ends for the stanza whose section counts, by the configuration file or the defaults.
engine::HealthLimits health_limits(const OptionSources& options);

/// What info and report judge each stanza by, and one that has no section.
void load_health_limits(OptionSources options, Settings& settings);

}  // namespace pgcairn::command
