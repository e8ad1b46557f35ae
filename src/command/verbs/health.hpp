#pragma once

#include "settings/settings.hpp"

#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/engine/status/health_limits.hpp>

#include <vector>

namespace pgcairn::command {

struct WatchedStanza {
  engine::StanzaSettings stanza;
  engine::HealthLimits limits;
};

/// The stanza that was named, or all of the configuration.
using Watched = std::vector<WatchedStanza>;

Watched load_watched(OptionSources options, const Settings& settings);

}  // namespace pgcairn::command
