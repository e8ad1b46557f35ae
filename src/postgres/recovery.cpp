#include <pgcairn/common/lower_case.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/recovery.hpp>

#include <algorithm>

namespace pgcairn::postgres {

namespace {

// The settings that recovery reads (guc_tables.c: WAL_ARCHIVE_RECOVERY, WAL_RECOVERY_TARGET,
// REPLICATION_STANDBY where it tells a server what to follow). recovery_min_apply_delay holds up
// any archive recovery, promote_trigger_file (to 15) ends it.
constexpr std::string_view kRecoverySettings[] = {
    "restore_command",   "recovery_end_command",     "archive_cleanup_command", "primary_conninfo",
    "primary_slot_name", "recovery_min_apply_delay", "promote_trigger_file",
};

constexpr std::string_view kTargetSettings[] = {"recovery_target", "recovery_target_lsn",
                                                "recovery_target_name", "recovery_target_time",
                                                "recovery_target_xid"};

bool is_recovery_setting(std::string_view name) {
  if (name.starts_with("recovery_target")) return true;
  return std::find(std::begin(kRecoverySettings), std::end(kRecoverySettings), name) !=
         std::end(kRecoverySettings);
}

// What the line sets, in lower case: names of settings are not case-sensitive. Empty for comments.
std::string setting_name(std::string_view line) {
  line = trim(line);
  return lower_case(line.substr(0, line.find_first_of(" \t='#")));
}

// A value in quotes, as guc-file.l reads it: '' is a quote, backslash escapes as in C, no raw line
// ends.
std::string quote(std::string_view value) {
  std::string quoted = "'";
  for (const char c : value) {
    switch (c) {
      case '\'':
        quoted += "''";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      default:
        quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace

std::span<const std::string_view> target_settings() {
  return kTargetSettings;
}

bool is_target_setting(std::string_view name) {
  return std::find(std::begin(kTargetSettings), std::end(kTargetSettings), name) !=
         std::end(kTargetSettings);
}

std::string recovery_auto_conf(std::string_view existing, const Settings& settings,
                               std::string_view comment) {
  std::string text;
  while (!existing.empty()) {
    const std::size_t end = existing.find('\n');
    const std::string_view line = existing.substr(0, end);
    existing.remove_prefix(end == std::string_view::npos ? existing.size() : end + 1);
    if (is_recovery_setting(setting_name(line))) continue;
    text += line;
    text += '\n';
  }
  return added_to_auto_conf(text, settings, comment);
}

std::string added_to_auto_conf(std::string_view existing, const Settings& settings,
                               std::string_view comment) {
  std::string text(existing);
  if (settings.empty()) return text;
  if (!text.empty() && text.back() != '\n') text += '\n';
  for (const std::string& line : split(comment, '\n')) text += format("# {}\n", line);
  for (const auto& [name, value] : settings) text += format("{} = {}\n", name, quote(value));
  return text;
}

std::string restore_command_word(std::string_view text) {
  std::string doubled;
  for (const char c : text) doubled.append(c == '%' ? 2 : 1, c);
  return shell_quote(doubled);
}

}  // namespace pgcairn::postgres
