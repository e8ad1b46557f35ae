#pragma once

#include "settings/recovery_target.hpp"
#include "settings/settings.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace pgcairn::command {

struct RestoreSettings {
  TargetSettings target;
  bool dry_run = false;
  bool only_config = false;
  bool archive_off = false;
  bool archive_kept = false;  // --archive-mode=preserve was said
  bool replace = false;
  bool delta = false;
  bool discard_wal = false;
  bool server_is_stopped = false;
  std::string accept_gap;  // a segment
  std::vector<std::string> allow_tablespaces;
  std::vector<std::string> remove_tablespaces;
  std::vector<std::pair<std::string, std::string>> recovery_options;
  std::map<std::string, std::string> tablespace_map;
  std::string tablespace_map_all;
  std::vector<std::string> db_include;
  std::vector<std::string> db_exclude;
  std::map<std::string, std::string> link_map;
  bool link_all = false;
  bool space_check = true;
  std::filesystem::path config_to;  // empty: nowhere
  std::filesystem::path pg_bin;
};

RestoreSettings load_restore(const OptionSources& options, const Settings& settings);

}  // namespace pgcairn::command
