#include "settings/restore_goal.hpp"

#include "settings/restore_types.hpp"
#include "settings/values.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

namespace pgcairn::command {

namespace {

engine::RestoreType restore_type(std::string_view name) {
  for (const engine::RestoreType type : all_restore_types()) {
    if (name_of(type) == name) return type;
  }
  PGCAIRN_ASSERT(!"settings know all types");
}

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
  if (settings.type == "time")
    goal.target = parse_target_time(settings.target, now(), local_zone());
  options.set = settings.set;
  options.accept_damage = settings.accept_damage;
  options.type = restore_type(settings.type);
  if (goal.target) options.target_time = goal.target->when;
  options.target_lsn = settings.lsn;
  options.target_xid = settings.xid;
  if (options.type == engine::RestoreType::name) options.target_name = settings.target;
  options.target_exclusive = settings.exclusive;
  options.timeline = timeline_choice(settings.timeline);
  options.workers = workers;
  return goal;
}

}  // namespace pgcairn::command
