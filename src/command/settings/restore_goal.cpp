#include "settings/restore_goal.hpp"

#include "settings/values.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

namespace pgcairn::command {

namespace {

engine::TimelineChoice timeline_choice(const std::string& text) {
  using Kind = engine::TimelineChoice::Kind;
  if (text == "latest") return {Kind::latest, 0};
  if (text == "current") return {Kind::current, 0};
  return {Kind::number, parse_timeline(text).value_or(0)};
}

engine::RecoveryTarget recovery_target(const Settings& settings,
                                       const std::optional<TargetTime>& time) {
  if (time) return engine::TimeTarget{time->when, settings.target_exclusive};
  if (settings.target_lsn)
    return engine::LsnTarget{*settings.target_lsn, settings.target_exclusive};
  if (settings.target_xid)
    return engine::XidTarget{*settings.target_xid, settings.target_exclusive};
  if (settings.type == "name") return engine::NameTarget{settings.target};
  return *engine::parse_restore_type(settings.type);
}

}  // namespace

RestoreGoal restore_goal(const Settings& settings) {
  RestoreGoal goal;
  engine::RestoreOptions& options = goal.options;
  if (settings.type == "time")
    goal.target = parse_target_time(settings.target, now(), local_zone());
  options.set = settings.set;
  options.accept_damage = settings.accept_damage;
  options.target = recovery_target(settings, goal.target);
  options.timeline = timeline_choice(settings.target_timeline);
  options.workers = settings.process_max;
  return goal;
}

}  // namespace pgcairn::command
