#pragma once

#include "settings/option_sources.hpp"

#include <pgcairn/engine/status/health_limits.hpp>

#include <map>
#include <string>

namespace pgcairn::command {

/// Where good ends for the stanza whose section counts, by the configuration file or the defaults.
engine::HealthLimits health_limits(const OptionSources& options);

/// What info and report judge stanzas by.
struct StanzaLimits {
  std::map<std::string, engine::HealthLimits> configured;
  engine::HealthLimits others;
};
StanzaLimits load_limits(OptionSources options);

}  // namespace pgcairn::command
