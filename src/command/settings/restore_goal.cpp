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

}  // namespace

RestoreGoal restore_goal(const TargetSettings& settings, unsigned workers) {
  RestoreGoal goal;
  engine::RestoreOptions& options = goal.options;
  options.set = settings.set;
  options.accept_damage = settings.accept_damage;
  if (settings.recovery_target) {
    options.target = *settings.recovery_target;
  } else {
    goal.target = parse_target_time(settings.target, now(), local_zone);
    options.target = engine::TimeTarget{goal.target->when, settings.exclusive};
  }
  options.timeline = timeline_choice(settings.timeline);
  options.workers = workers;
  return goal;
}

}  // namespace pgcairn::command
