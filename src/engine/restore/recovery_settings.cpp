#include "restore/recovery_settings.hpp"

#include "restore/isolation.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr int kLastWithTriggerFile = 15;  // of PostgreSQL

/// A timestamp that no setting of the server's changes the reading of.
std::string target_time_text(Timestamp when) {
  std::string text = format_utc(when);
  text[text.find('T')] = ' ';
  text.back() = '+';
  return text + "00";
}

void put(postgres::Settings& settings, std::string_view name, const std::string& value) {
  const auto there = std::find_if(settings.begin(), settings.end(),
                                  [&](const auto& one) { return one.first == name; });
  if (there == settings.end()) {
    settings.emplace_back(name, value);
  } else {
    there->second = value;
  }
}

/// Every setting of a target: what the configuration that was backed up says of another recovery
/// would count else.
void add_target(const RestorePlan& plan, postgres::Settings& settings) {
  const RestoreOptions& options = plan.options;
  for (const std::string_view name : postgres::target_settings()) put(settings, name, "");
  const RecoveryTarget& target = options.target;
  if (plan.way.stop_after) {
    put(settings, "recovery_target_lsn", to_string(*plan.way.stop_after));
  } else if (target.type() == RestoreType::immediate) {
    put(settings, "recovery_target", "immediate");
  } else if (const auto* const time = target.time()) {
    put(settings, "recovery_target_time", target_time_text(time->when));
  } else if (const auto* const xid = target.xid()) {
    put(settings, "recovery_target_xid", std::to_string(xid->xid));
  } else if (const auto* const lsn = target.lsn()) {
    put(settings, "recovery_target_lsn", to_string(lsn->at));
  } else if (const auto* const name = target.name()) {
    put(settings, "recovery_target_name", name->name);
  }
  const bool exclusive = target.exclusive() && !plan.way.stop_after;
  put(settings, "recovery_target_inclusive", exclusive ? "false" : "true");
  put(settings, "recovery_target_action",
      options.target_action.empty() ? "pause" : options.target_action);
}

/// What ends or delays a recovery, or runs in it, beside the target. A standby's is its own.
void add_rest(const RestorePlan& plan, postgres::Settings& settings) {
  if (plan.options.target.type() == RestoreType::standby) return;
  put(settings, "recovery_end_command", "");
  put(settings, "archive_cleanup_command", "");
  put(settings, "recovery_min_apply_delay", "0");
  if (plan.backup.pg_version <= kLastWithTriggerFile) put(settings, "promote_trigger_file", "");
}

/// The target that is set behind those that are not.
void put_target_last(postgres::Settings& settings) {
  std::stable_partition(settings.begin(), settings.end(), [](const auto& one) {
    return !postgres::is_target_setting(one.first) || one.second.empty();
  });
}

/// The timeline that the plan found, spelt out: what "latest" is may change until the server
/// starts, and a branch that does not descend from the backup would stop it. A standby follows what
/// comes, as long as that is where "latest" leads now.
std::string timeline_text(const RestorePlan& plan) {
  const Timeline to = plan.path.back().timeline;
  const bool follows = plan.options.target.type() == RestoreType::standby &&
                       plan.options.timeline.kind == TimelineChoice::Kind::latest;
  if (follows && plan.server_latest == to) return "latest";
  return to == plan.backup.timeline ? "current" : std::to_string(to);
}

/// Of an isolated copy: what archive-get must not let pass. WAL grows after the plan.
std::string restore_command(const RestorePlan& plan) {
  std::string command = plan.options.restore_command;
  const std::string gap = accepted_gap(plan);
  if (!gap.empty()) command += " --accept-gap=" + gap;
  if (!plan.options.isolated) return command;
  command += format(" --guard={}", to_string(plan.backup.start_lsn));
  if (plan.way.end) command += format(",{}", to_string(*plan.way.end));
  for (const std::string& place : allowed_places(plan))
    command += " " + postgres::restore_command_word("--allow-tablespace=" + place);
  return command;
}

}  // namespace

postgres::Settings recovery_settings(const RestorePlan& plan) {
  const RestoreOptions& options = plan.options;
  postgres::Settings settings;
  if (!signal_file(options.target.type()).empty()) {
    settings.emplace_back("restore_command", restore_command(plan));
    add_target(plan, settings);
    settings.emplace_back("recovery_target_timeline", timeline_text(plan));
    add_rest(plan, settings);
  }
  for (const auto& [name, value] : plan.limits) put(settings, name, value);
  for (const auto& [name, value] : plan.isolation) put(settings, name, value);
  if (options.archive_off) put(settings, "archive_mode", "off");
  for (const auto& [name, value] : options.recovery_options) put(settings, name, value);
  put_target_last(settings);
  return settings;
}

std::string accepted_gap(const RestorePlan& plan) {
  // The next backup that brings its own WAL would make a hole of the end.
  if (plan.backup.wal_copied && plan.wal.last == plan.backup.wal_stop) return plan.wal.missing;
  if (plan.wal.after_gap.empty()) return {};
  const bool accepted = plan.options.sandboxed || plan.options.accept_gap == plan.wal.missing;
  return accepted || plan.options.target.stops_early() ? plan.wal.missing : std::string();
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
