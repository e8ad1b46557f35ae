#include "settings/recovery_target.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/recovery.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

bool is_named(const std::string& type) {
  return type == "time" || type == "xid" || type == "lsn" || type == "name";
}

std::string example_of(const std::string& type) {
  if (type == "time") return "add --target=\"2026-11-21 02:41:07+00\", or --target=\"1 hour ago\"";
  if (type == "xid") return "add --target=NUMBER, as pg_current_xact_id() shows it";
  if (type == "lsn") return "add --target=0/5000060, as pg_current_wal_lsn() shows it";
  return "add --target=NAME, as it was given to pg_create_restore_point()";
}

void check_together(const Settings& settings) {
  const std::string& type = settings.type;
  const bool named = is_named(type);
  if (named && settings.target.empty()) {
    throw UsageError(format("{} --type={} needs a target", settings.verb, type), example_of(type));
  }
  if (!named && !settings.target.empty()) {
    throw UsageError(format("{} --type={} takes no --target", settings.verb, type),
                     "add --type=time to recover to a time; xid, lsn and name take a target too");
  }
  if (!named && type != "immediate" && !settings.target_action.empty()) {
    throw UsageError(format("{} --type={} takes no --target-action", settings.verb, type),
                     "there is no target: the server opens at the end of the archived WAL");
  }
  if (settings.target_exclusive && (!named || type == "name")) {
    throw UsageError(format("{} --type={} takes no --target-exclusive", settings.verb, type),
                     "it goes with --type=time, xid or lsn");
  }
}

}  // namespace

void read_target(Settings& settings) {
  check_together(settings);
  const std::string& type = settings.type;
  const std::string& target = settings.target;
  if (type == "lsn") {
    settings.target_lsn = parse_lsn(target);
    if (!settings.target_lsn)
      throw UsageError(format("\"{}\" is not an LSN", target), example_of(type));
  }
  if (type == "xid") {
    // The server takes the number with its epoch and forgets that (guc check_recovery_target_xid).
    const auto number = parse_u64(target);
    if (!number || (*number & UINT32_MAX) < 3)
      throw UsageError(format("\"{}\" is not a transaction's number", target), example_of(type));
    settings.target_xid = static_cast<std::uint32_t>(*number & UINT32_MAX);
  }
  if (type == "name" && target.size() > 63) {
    throw UsageError(format("the restore point \"{}\" is longer than 63 bytes", target),
                     "pg_create_restore_point() takes no longer names");
  }
}

void check_recovery_option(const std::string& name, const Settings& settings) {
  const bool word = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
  });
  if (!word) {
    throw UsageError(format("option --recovery-option: \"{}\" is not the name of a setting", name),
                     "write it like --recovery-option=primary_conninfo=\"host=primary\"");
  }
  const bool has_own_target = is_named(settings.type) || settings.type == "immediate";
  if (has_own_target && postgres::is_target_setting(name)) {
    throw UsageError(
        format("option --recovery-option: {} would be a second target beside --type={}", name,
               settings.type),
        "name one target, with --type and --target");
  }
  if (name != "data_directory") return;
  throw UsageError("option --recovery-option: data_directory would make the server run elsewhere",
                   "name the directory with --pg-path");
}

std::string gap_of(const Value& gap) {
  if (wal_file_kind(gap.text) == WalFileKind::segment) return gap.text;
  throw UsageError(format("{} must be the name of a WAL segment, not \"{}\"", gap.origin, gap.text),
                   "write it like --accept-gap=000000010000000000000006, as the error names it");
}

void read_guard(const Value& guard, Settings& settings) {
  const std::size_t comma = guard.text.find(',');
  settings.guard_from = parse_lsn(guard.text.substr(0, comma));
  if (comma != std::string::npos) settings.guard_until = parse_lsn(guard.text.substr(comma + 1));
  if (settings.guard_from && (comma == std::string::npos || settings.guard_until)) return;
  throw UsageError(
      format("{} must be an LSN, or two with a comma, not \"{}\"", guard.origin, guard.text),
      "write it as restore does, like --guard=0/3000028,0/5000060");
}

}  // namespace pgcairn::command
