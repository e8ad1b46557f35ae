#pragma once

#include "settings/settings.hpp"

#include <pgcairn/common/time.hpp>

#include <optional>
#include <string>

namespace pgcairn::command {

struct VerifySettings {
  std::string set;  // empty: all backups
  bool full = false;
  unsigned sample_percent = 100;
  std::optional<milliseconds> max_duration;
  bool record = true;
};

VerifySettings load_verify(const OptionSources& options, const Settings& settings);

}  // namespace pgcairn::command
