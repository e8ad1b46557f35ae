#include "render/render.hpp"

#include <pgcairn/common/counted.hpp>
#include <pgcairn/common/text.hpp>

namespace pgcairn::command {

namespace {

std::string duration_text(double seconds) {
  return format_duration(milliseconds(static_cast<std::int64_t>(seconds * 1000)));
}

std::string end_text(const engine::DrillResult& result) {
  if (!result.started) return "not reached";
  std::string text = to_string(result.end);
  if (result.last_transaction)
    text += format(", last transaction {} ({})", format_utc(*result.last_transaction),
                   format_local(*result.last_transaction));
  return text;
}

std::string checks_text(const engine::DrillResult& result) {
  std::string text = format("{}, {}", counted(result.databases, "database"),
                            counted(result.relations, "relation"));
  text += result.amcheck ? "; pg_amcheck" : "; no pg_amcheck";
  if (result.foreign_keys > 0) text += "; " + counted(result.foreign_keys, "foreign key");
  if (result.questions > 0) text += format("; {} queries", result.questions);
  return text;
}

std::string_view verdict(const engine::DrillResult& result) {
  if (result.good()) return "GOOD";
  return result.findings.empty() ? "NOT PROVED" : "NOT GOOD";
}

void write_strings(JsonWriter& json, std::string_view name, const std::vector<std::string>& texts) {
  json.key(name).begin_array();
  for (const std::string& text : texts) json.value(escape_bytes(text));
  json.end_array();
}

}  // namespace

std::string drill_text(const engine::DrillResult& result, const std::filesystem::path& programs) {
  std::string text = format("drill of backup {} in repository {}: {}\n", result.backup,
                            result.repository, verdict(result));
  for (const std::string& finding : result.findings) text += format("FOUND {}\n", finding);
  for (const std::string& one : result.unproved) text += format("NOT PROVED {}\n", one);
  if (!result.reason.empty()) text += row("backup", format("{}: {}", result.backup, result.reason));
  text += row(
      "restored",
      format("{} written, {} fetched, in {}", format_size(result.restored.written_bytes),
             format_size(result.restored.fetched_bytes), duration_text(result.restore_seconds)));
  text += row("recovered", format("{} of WAL in {}", format_size(result.wal_bytes),
                                  duration_text(result.recovery_seconds)));
  text += row("end", end_text(result));
  if (result.started) text += row("checked", checks_text(result));
  if (!result.kept.empty()) text += row("kept in", result.kept.native());
  for (const std::string& note : result.notes) text += format("note: {}\n", note);
  if (result.kept.empty() || result.kept_settings.empty()) return text;
  return text + format("start a server on what was kept, isolated from the original, with\n  {}\n",
                       start_command(postgres::pg_ctl_path(programs, result.pg_version),
                                     engine::data_directory_of(result.kept), result.kept_settings));
}

std::string drill_json(const engine::DrillResult& result, std::string_view stanza) {
  JsonWriter json;
  json.begin_object().key("drill").begin_object().member("stanza", stanza);
  json.member("repository", result.repository).member("backup", result.backup);
  json.member("good", result.good());
  write_strings(json, "findings", result.findings);
  write_strings(json, "unproved", result.unproved);
  write_strings(json, "notes", result.notes);
  json.member("started", result.started).member("sandboxed", result.sandboxed);
  json.member("restore-seconds", result.restore_seconds);
  json.member("written-bytes", result.restored.written_bytes);
  json.member("fetched-bytes", result.restored.fetched_bytes);
  json.member("recovery-seconds", result.recovery_seconds).member("wal-bytes", result.wal_bytes);
  json.key("end-lsn");
  result.started ? json.value(to_string(result.end)) : json.null();
  json.key("last-transaction");
  result.last_transaction ? json.value(format_utc(*result.last_transaction)) : json.null();
  json.member("databases", result.databases).member("relations", result.relations);
  json.member("amcheck", result.amcheck).member("foreign-keys", result.foreign_keys);
  json.member("queries", result.questions).key("kept-in");
  result.kept.empty() ? json.null() : json.value(escape_bytes(result.kept.native()));
  json.end_object().end_object();
  return json.take() + "\n";
}

}  // namespace pgcairn::command
