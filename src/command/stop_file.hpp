#pragma once

#include "settings.hpp"

#include <string>

namespace pgcairn::command {

// Stops that hold for this host: a file in state-path.

/// False when the stanza was stopped here already.
bool write_stop_file(const Settings& settings, const std::string& reason);
/// False when the stanza was not stopped here.
bool remove_stop_file(const Settings& settings);
/// Throws LockedError, saying when the stanza was stopped on this host and why.
void refuse_when_stopped_here(const Settings& settings);

}  // namespace pgcairn::command
