#pragma once

#include "settings/settings.hpp"

#include <pgcairn/repo/backup_marker.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pgcairn::command {

struct BackupSettings {
  repo::BackupType type = repo::BackupType::incremental;
  bool delta = false;  // compare every page
  bool start_fast = false;
  bool resume = true;
  bool copy_wal = false;
  std::vector<std::filesystem::path> include_paths;
  std::vector<std::string> exclude;
  bool expire_auto = true;
  std::vector<std::string> annotations;  // "KEY=TEXT", checked
  std::string hold;                      // its reason; empty: none
};

BackupSettings load_backup(const OptionSources& options, const Settings& settings);

}  // namespace pgcairn::command
