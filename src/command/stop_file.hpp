#pragma once

#include "settings/settings.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace pgcairn::command {

// Stops that hold for this host: a file in state-path.

/// False when the stanza was stopped here already.
bool write_stop_file(const Settings& settings, const std::string& reason);
/// False when the stanza was not stopped here.
bool remove_stop_file(const Settings& settings);
/// When and why a stanza was stopped on this host, to be said behind "stopped on this host"; none:
/// it was not.
std::optional<std::string> stopped_here(const std::filesystem::path& state_path,
                                        const std::string& stanza);
/// Throws LockedError, saying when the stanza was stopped on this host and why.
void refuse_when_stopped_here(const Settings& settings);

}  // namespace pgcairn::command
