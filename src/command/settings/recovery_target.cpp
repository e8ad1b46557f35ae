#include "settings/recovery_target.hpp"

#include "settings/values.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/recovery.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

bool is_named(std::string_view type) {
  return type == "time" || type == "xid" || type == "lsn" || type == "name";
}

std::string example_of(std::string_view type) {
  if (type == "time") return "add --target=\"2026-11-21 02:41:07+00\", or --target=\"1 hour ago\"";
  if (type == "xid") return "add --target=NUMBER, as pg_current_xact_id() shows it";
  if (type == "lsn") return "add --target=0/5000060, as pg_current_wal_lsn() shows it";
  return "add --target=NAME, as it was given to pg_create_restore_point()";
}

void check_together(const TargetSettings& own, std::string_view verb) {
  const std::string& type = own.type;
  const bool named = is_named(type);
  if (named && own.target.empty()) {
    throw UsageError(format("{} --type={} needs a target", verb, type), example_of(type));
  }
  if (!named && !own.target.empty()) {
    throw UsageError(format("{} --type={} takes no --target", verb, type),
                     "add --type=time to recover to a time; xid, lsn and name take a target too");
  }
  if (!named && type != "immediate" && !own.action.empty()) {
    throw UsageError(format("{} --type={} takes no --target-action", verb, type),
                     "there is no target: the server opens at the end of the archived WAL");
  }
  if (own.exclusive && (!named || type == "name")) {
    throw UsageError(format("{} --type={} takes no --target-exclusive", verb, type),
                     "it goes with --type=time, xid or lsn");
  }
}

engine::RecoveryTarget target_of(const std::string& type, const std::string& text, bool exclusive) {
  if (type == "lsn") {
    const auto lsn = parse_lsn(text);
    if (!lsn) throw UsageError(format("\"{}\" is not an LSN", text), example_of(type));
    return engine::LsnTarget{*lsn, exclusive};
  }
  if (type == "xid") {
    // The server takes the number with its epoch and forgets that (guc check_recovery_target_xid).
    const auto number = parse_u64(text);
    if (!number || (*number & UINT32_MAX) < 3)
      throw UsageError(format("\"{}\" is not a transaction's number", text), example_of(type));
    return engine::XidTarget{static_cast<std::uint32_t>(*number & UINT32_MAX), exclusive};
  }
  if (type == "name") {
    if (text.size() > 63) {
      throw UsageError(format("the restore point \"{}\" is longer than 63 bytes", text),
                       "pg_create_restore_point() takes no longer names");
    }
    return engine::NameTarget{text};
  }
  const auto other = engine::parse_restore_type(type);
  PGCAIRN_ASSERT(other.has_value());
  return *other;
}

void load_timeline(TargetSettings& own, const OptionSources& options, std::string_view verb) {
  const auto timeline = options.find("target-timeline");
  if (!timeline) return;
  const std::string& type = own.type;
  if (type == "immediate" || type == "none" || type == "preserve") {
    throw UsageError(format("{} --type={} takes no --target-timeline", verb, type),
                     "the end of a backup is on the backup's own timeline");
  }
  own.timeline = timeline->text;
  if (timeline->text == "latest" || timeline->text == "current") return;
  if (!parse_timeline(timeline->text)) {
    throw UsageError(format("{} must be a number, current or latest, not \"{}\"", timeline->origin,
                            timeline->text),
                     "timeline 18 is 18, 0x12, or 00000012 as in the names of its WAL files; "
                     "\"pgcairn info\" shows the timelines of backups");
  }
}

}  // namespace

TargetSettings load_target(const OptionSources& options, std::string_view verb) {
  TargetSettings own;
  own.set = options.text_of("set");
  if (own.set == "latest") own.set.clear();  // as without it
  own.accept_damage = options.is_set("accept-damage");
  if (own.accept_damage && own.set.empty()) {
    throw UsageError(format("{} --accept-damage needs --set", verb),
                     "name the backup; \"pgcairn info\" lists them");
  }
  own.type = options.text_of("type", "default");
  own.target = options.text_of("target");
  own.action = options.text_of("target-action");
  own.exclusive = options.is_set("target-exclusive");
  check_together(own, verb);
  if (own.type != "time") own.recovery_target = target_of(own.type, own.target, own.exclusive);
  load_timeline(own, options, verb);
  return own;
}

void check_recovery_option(const std::string& name, std::string_view type) {
  const bool word = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
  if (!word) {
    throw UsageError(format("option --recovery-option: \"{}\" is not the name of a setting", name),
                     "write it like --recovery-option=primary_conninfo=\"host=primary\"");
  }
  const bool has_own_target = is_named(type) || type == "immediate";
  if (has_own_target && postgres::is_target_setting(name)) {
    throw UsageError(
        format("option --recovery-option: {} would be a second target beside --type={}", name,
               type),
        "name one target, with --type and --target");
  }
  if (name != "data_directory") return;
  throw UsageError("option --recovery-option: data_directory would make the server run elsewhere",
                   "name the directory with --pg-path");
}

std::string segment_of(const Value& gap) {
  if (wal_file_kind(gap.text) == WalFileKind::segment) return gap.text;
  throw UsageError(format("{} must be the name of a WAL segment, not \"{}\"", gap.origin, gap.text),
                   "write it like --accept-gap=000000010000000000000006, as the error names it");
}

}  // namespace pgcairn::command
