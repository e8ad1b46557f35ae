#pragma once

#include "settings/settings.hpp"

#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/repo/repository.hpp>

#include <filesystem>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::command {

/// The repositories of the settings, each with its driver and retries that a requested stop ends.
/// Touches no store.
std::vector<repo::Repository> make_repositories(const Settings& settings, std::stop_token stop);

/// How long a store that does not answer is waited for.
enum class Patience {
  usual,  // of each store's settings
  brief,  // some seconds: who asks has another way, or asks again
};

/// The same for programs that PostgreSQL runs for each WAL segment: what a store across the network
/// said of itself in the last minute is remembered in state-path, and not asked again.
std::vector<repo::Repository> make_archives(const Settings& settings, std::stop_token stop,
                                            Patience patience = Patience::usual);

/// Makes this host forget what it remembers of its repositories, after they were changed by hand.
void forget_repositories(const Settings& settings);

/// Directories of this host that a cluster, and a copy of it, must be apart from.
std::vector<engine::NamedPlace> other_places(const Settings& settings);

/// Files without which this program would not work here any more: its configuration, what that
/// names, where credentials are, the program itself.
std::vector<engine::NamedPlace> own_files(const Settings& settings);

/// The cluster of the settings; its data directory is the working directory when none is
/// configured, which is where PostgreSQL runs archive_command and restore_command.
engine::StanzaSettings cluster_of(const Settings& settings);

/// What a restored server runs to fetch WAL: `program` with the settings of this run, each word
/// quoted for the shell, and "%" doubled where it is not PostgreSQL's %f or %p. The environment of
/// this run is not there then: what it said about configuration, stanza and directory is spelt out.
std::string restore_command(const std::filesystem::path& program, const Settings& settings);

/// Where this program stands.
std::filesystem::path own_path();

}  // namespace pgcairn::command
