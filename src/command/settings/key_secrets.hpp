#pragma once

#include "settings/settings.hpp"

#include <pgcairn/repo/keyring.hpp>
#include <pgcairn/repo/repository.hpp>

#include <filesystem>
#include <stop_token>

namespace pgcairn::command {

/// How a repository is unlocked. Its secret is read when it is asked for.
repo::KeySettings key_settings(const Settings& settings, const RepositorySettings& repository);

/// The secret that the settings of a repository tell. Throws UsageError when a file cannot be used.
repo::KeySecret key_secret(const KeyChoice& key);

/// The secret of a new slot, from what --new-key-file and its like say, or from the user at the
/// terminal.
repo::KeySecret new_key_secret(const KeyChoice& key, const std::stop_token& stop);

/// Where archive-push, archive-get and backup keep unwrapped keys on this host.
std::filesystem::path key_cache_path(const Settings& settings);

}  // namespace pgcairn::command
