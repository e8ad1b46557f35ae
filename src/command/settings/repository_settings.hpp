#pragma once

#include "settings/config_file.hpp"
#include "settings/settings.hpp"
#include "settings/values.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace pgcairn::command {

/// [repo.NAME] of `file`, which was read from `path`. Throws UsageError naming what is missing or
/// does not fit. `passphrase`, the environment's, opens what is sealed and says nothing of its key.
/// Only a verb that frees space may use the reserve of a full repository for its lease; others
/// would use it up, and fail.
RepositorySettings load_repository(const ConfigFile& file, const std::string& name,
                                   const std::filesystem::path& path, const std::string& passphrase,
                                   bool frees_space);

/// What the sections of all repositories name: the next run may use others than this one.
std::vector<ReadFile> read_files(const ConfigFile& file);

/// Those that `wanted` names ("a", "a,b" or "all"), in the order of the file. Throws UsageError for
/// one that is not configured.
std::vector<std::string> repositories_named(const ConfigFile& file, const Value& wanted);

/// For a verb that "looks into", or "changes", one repository. Throws UsageError.
void require_one_repository(const Settings& settings, std::string_view does);

}  // namespace pgcairn::command
