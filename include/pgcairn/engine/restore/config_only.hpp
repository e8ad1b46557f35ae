#pragma once

#include <pgcairn/engine/progress.hpp>
#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/engine/stanza/stanza.hpp>

#include <filesystem>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::engine {

/// A file of configuration, or a directory outside of the data directory.
struct ConfigEntry {
  std::filesystem::path was;       // where it was on the host of the backup
  std::filesystem::path location;  // where it will be
  bool is_directory = false;
  bool in_data_directory = false;
};

/// All that `restore --only=config` will do, decided before anything is touched.
struct ConfigPlan {
  RestorePlan restore;  // what its writer needs; the data directory is one below the target
  std::vector<ConfigEntry> entries;  // in the order of the manifest
  std::set<std::string> folders;     // in the data directory, on the way to such files
  // Of what was outside of the data directory: the topmost paths that this host does not have, and
  // the directories in which it has such files.
  std::vector<std::filesystem::path> absent;
  std::vector<std::filesystem::path> there;
};

/// Is this path of a manifest, in the data directory, a file of the server's configuration? Those
/// are the *.conf files at the top and in directories that are not PostgreSQL's own.
bool is_config_file(std::string_view path);

/// Chooses the newest backup whose configuration is whole, or options.set, and finds its files of
/// configuration; touches nothing, and needs neither WAL nor a stopped server. The repositories
/// must outlive the plan. options.config_to is where the files go: an absent or empty directory.
/// Throws what keeps it from working.
ConfigPlan plan_config_restore(const StanzaSettings& stanza,
                               std::span<repo::Repository> repositories,
                               const RestoreOptions& options, Progress& progress,
                               std::stop_token stop);

/// Carries the plan out.
RestoreResult run_config_restore(const ConfigPlan& plan, Progress& progress, std::stop_token stop);

}  // namespace pgcairn::engine
