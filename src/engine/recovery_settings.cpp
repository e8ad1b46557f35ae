#include "recovery_settings.hpp"

#include "isolation.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

/// A timestamp that no setting of the server's changes the reading of.
std::string target_time_text(Timestamp when) {
  std::string text = format_utc(when);
  text[text.find('T')] = ' ';
  text.back() = '+';
  return text + "00";
}

void add_target(const RestorePlan& plan, postgres::Settings& settings) {
  const RestoreOptions& options = plan.options;
  switch (options.type) {
    case RestoreType::immediate:
      settings.emplace_back("recovery_target", "immediate");
      break;
    case RestoreType::time:
      settings.emplace_back("recovery_target_time", target_time_text(*options.target_time));
      break;
    case RestoreType::xid:
      settings.emplace_back("recovery_target_xid", std::to_string(*options.target_xid));
      break;
    case RestoreType::lsn:
      settings.emplace_back("recovery_target_lsn",
                            to_string(plan.way.stop_after.value_or(*options.target_lsn)));
      break;
    case RestoreType::name:
      settings.emplace_back("recovery_target_name", options.target_name);
      break;
    default:
      break;
  }
  if (options.target_exclusive && !plan.way.stop_after)
    settings.emplace_back("recovery_target_inclusive", "false");
  if (!options.target_action.empty())
    settings.emplace_back("recovery_target_action", options.target_action);
}

/// The timeline that the plan found, spelt out: what "latest" is may change until the server
/// starts, and a branch that does not descend from the backup would stop it. A standby follows what
/// comes, as long as that is where "latest" leads now.
std::string timeline_text(const RestorePlan& plan) {
  const Timeline to = plan.path.back().timeline;
  const bool follows = plan.options.type == RestoreType::standby &&
                       plan.options.timeline.kind == TimelineChoice::Kind::latest;
  if (follows && plan.server_latest == to) return "latest";
  return to == plan.backup.timeline ? "current" : std::to_string(to);
}

/// Of an isolated copy: what archive-get must not let pass. WAL grows after the plan.
std::string restore_command(const RestorePlan& plan) {
  std::string command = plan.options.restore_command;
  if (!plan.options.isolated) return command;
  command += format(" --guard={}", to_string(plan.backup.start_lsn));
  if (plan.way.end) command += format(",{}", to_string(*plan.way.end));
  for (const std::string& place : allowed_places(plan))
    command += " " + postgres::restore_command_word("--allow-tablespace=" + place);
  return command;
}

void put(postgres::Settings& settings, const std::string& name, const std::string& value) {
  const auto there = std::find_if(settings.begin(), settings.end(),
                                  [&](const auto& one) { return one.first == name; });
  if (there == settings.end()) {
    settings.emplace_back(name, value);
  } else {
    there->second = value;
  }
}

}  // namespace

postgres::Settings recovery_settings(const RestorePlan& plan) {
  const RestoreOptions& options = plan.options;
  postgres::Settings settings;
  if (!signal_file(options.type).empty()) {
    settings.emplace_back("restore_command", restore_command(plan));
    add_target(plan, settings);
    settings.emplace_back("recovery_target_timeline", timeline_text(plan));
  }
  settings.insert(settings.end(), plan.limits.begin(), plan.limits.end());
  settings.insert(settings.end(), plan.isolation.begin(), plan.isolation.end());
  if (options.archive_off) put(settings, "archive_mode", "off");
  for (const auto& [name, value] : options.recovery_options) put(settings, name, value);
  return settings;
}

std::string signal_file(RestoreType type) {
  switch (type) {
    case RestoreType::standby:
      return "standby.signal";
    case RestoreType::preserve:
    case RestoreType::none:
      return {};
    default:
      return "recovery.signal";
  }
}

}  // namespace pgcairn::engine
