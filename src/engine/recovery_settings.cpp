#include "recovery_settings.hpp"

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

void add_target(const RestoreOptions& options, postgres::Settings& settings) {
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
      settings.emplace_back("recovery_target_lsn", to_string(*options.target_lsn));
      break;
    case RestoreType::name:
      settings.emplace_back("recovery_target_name", options.target_name);
      break;
    default:
      break;
  }
  if (options.target_exclusive) settings.emplace_back("recovery_target_inclusive", "false");
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

}  // namespace

postgres::Settings recovery_settings(const RestorePlan& plan) {
  const RestoreOptions& options = plan.options;
  postgres::Settings settings;
  if (!signal_file(options.type).empty()) {
    settings.emplace_back("restore_command", options.restore_command);
    add_target(options, settings);
    settings.emplace_back("recovery_target_timeline", timeline_text(plan));
  }
  if (options.archive_off) settings.emplace_back("archive_mode", "off");
  for (const auto& [name, value] : options.recovery_options) {
    const auto ours = std::find_if(settings.begin(), settings.end(),
                                   [&](const auto& one) { return one.first == name; });
    if (ours == settings.end()) {
      settings.emplace_back(name, value);
    } else {
      ours->second = value;
    }
  }
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
