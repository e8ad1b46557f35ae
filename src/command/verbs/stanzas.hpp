#pragma once

#include "exit_codes.hpp"
#include "settings/health_settings.hpp"
#include "settings/settings.hpp"

#include <pgcairn/engine/status/info.hpp>
#include <pgcairn/repo/repository.hpp>

#include <span>
#include <stop_token>
#include <vector>

namespace pgcairn::command {

/// The stanza that was named; else those of the configuration, so that one without a backup is
/// seen, and those that only the repositories know. With what the engine does not know of the
/// repositories: their types, and the space of directories. `set`: one backup; empty: all.
std::vector<engine::StanzaInfo> read_stanzas(const Settings& settings, const std::string& set,
                                             const StanzaLimits& limits,
                                             std::span<repo::Repository> repositories,
                                             std::stop_token stop);

/// How a verb ends that could not read a repository.
ExitCode unreadable_code(std::span<const engine::StanzaInfo> stanzas);
/// Throws what every other verb does: a repository of the configuration that is not there may not
/// be made yet, or not mounted.
[[noreturn]] void throw_absent(std::span<const engine::StanzaInfo> stanzas);

}  // namespace pgcairn::command
