#pragma once

#include "settings/recovery_target.hpp"
#include "settings/settings.hpp"

#include <pgcairn/common/time.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace pgcairn::command {

struct DrillSettings {
  std::filesystem::path directory;
  TargetSettings target;
  std::vector<std::string> queries;
  milliseconds timeout{86'400'000};
  std::string sandbox = "auto";  // auto | required | off
  std::filesystem::path pg_bin;
  bool amcheck = true;
  bool foreign_keys = false;
  bool keep = false;
  bool record = true;
};

DrillSettings load_drill(const OptionSources& options, const Settings& settings);

}  // namespace pgcairn::command
