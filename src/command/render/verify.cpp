#include "render/render.hpp"

#include <pgcairn/common/counted.hpp>
#include <pgcairn/common/printable.hpp>
#include <pgcairn/common/text.hpp>

namespace pgcairn::command {

namespace {

std::string damage_text(const engine::Damage& damage) {
  std::string text =
      format("DAMAGED {} at offset {}: {}\n", damage.object, damage.offset_bytes, damage.cause);
  for (const std::string& label : damage.backups) text += format("  needed by backup {}\n", label);
  for (const std::string& path : damage.paths) text += format("  holds a part of {}\n", path);
  if (damage.files > damage.paths.size())
    text += format("  and of {} more files\n", damage.files - damage.paths.size());
  return text;
}

std::string recorded_text(const engine::RecordedFinding& finding) {
  std::string text =
      format("DAMAGED as verify --level={} found at {}, and not read successfully since:\n",
             finding.level, format_local(finding.time));
  for (const std::string& damage : finding.damages)
    text += format("  {}\n", printable_in_line(damage));
  if (finding.count > finding.damages.size())
    text += format("  and {} more\n", finding.count - finding.damages.size());
  for (const std::string& label : finding.backups)
    text += format("  counts against backup {}\n", label);
  return text + format("  run \"pgcairn verify --level={}\" to check it again\n", finding.level);
}

void write_strings(JsonWriter& json, std::string_view name,
                   const std::vector<std::string>& values) {
  json.key(name).begin_array();
  for (const std::string& value : values) json.value(escape_bytes(value));
  json.end_array();
}

void write_recorded(JsonWriter& json, const std::vector<engine::RecordedFinding>& findings) {
  json.key("recorded").begin_array();
  for (const engine::RecordedFinding& finding : findings) {
    json.begin_object().member("time", format_utc(finding.time)).member("level", finding.level);
    json.member("count", finding.count);
    write_strings(json, "damages", finding.damages);
    write_strings(json, "backups", finding.backups);
    json.end_object();
  }
  json.end_array();
}

void write_damage(JsonWriter& json, const engine::Damage& damage) {
  json.begin_object().member("object", escape_bytes(damage.object));
  json.member("offset", damage.offset_bytes).member("cause", escape_bytes(damage.cause));
  json.key("block");
  damage.block ? json.value(*damage.block) : json.null();
  json.key("backups").begin_array();
  for (const std::string& label : damage.backups) json.value(label);
  json.end_array().member("files", damage.files).key("paths").begin_array();
  for (const std::string& path : damage.paths) json.value(escape_bytes(path));
  json.end_array().end_object();
}

}  // namespace

std::string verify_text(const engine::VerifyResult& result, const engine::VerifyOptions& options) {
  const bool full = options.level == engine::VerifyLevel::full;
  std::string text;
  for (const engine::VerifiedRepository& one : result.repositories) {
    if (!one.error.empty()) {
      text += format("repository {}: COULD NOT BE READ: {}\n", one.name, one.error);
      continue;
    }
    const std::string verdict = !one.damages.empty() ? format("{} DAMAGED", one.damages.size())
                                : !one.recorded.empty()
                                    ? "DAMAGED as recorded, nothing found by this run"
                                : !one.warnings.empty() ? "good, but not all could be checked"
                                                        : "good";
    text +=
        format("repository {}: {}: {}, {}, {}", one.name, verdict, counted(one.backups, "backup"),
               counted(one.packs, "pack"), counted(one.wal_segments, "WAL segment"));
    if (full) {
      text += format("; opened {} and {}, {}", counted(one.packs_opened, "pack"),
                     counted(one.wal_opened, "WAL segment"), format_size(one.bytes_read));
    } else {
      text += "; checked names, sizes and manifests, opened none (--level=full opens them)";
    }
    text += "\n";
    if (!one.next.empty())
      text += format("the time limit of {} was reached; the next run goes on at {}\n",
                     format_duration(milliseconds(static_cast<std::int64_t>(one.seconds * 1000))),
                     one.next);
    if (one.known_bad_pages > 0)
      text +=
          format("{} pages are stored as damaged as they were in the cluster; info lists them\n",
                 one.known_bad_pages);
    for (const engine::Damage& damage : one.damages) text += damage_text(damage);
    for (const engine::RecordedFinding& finding : one.recorded) text += recorded_text(finding);
    for (const std::string& warning : one.warnings) text += format("WARNING: {}\n", warning);
    for (const std::string& note : one.notes) text += format("note: {}\n", note);
  }
  return text;
}

std::string verify_json(const engine::VerifyResult& result, const engine::VerifyOptions& options,
                        std::string_view stanza) {
  JsonWriter json;
  json.begin_object().key("verify").begin_object().member("stanza", stanza);
  json.member("level", options.level == engine::VerifyLevel::full ? "full" : "quick");
  json.member("sample-percent", options.sample_percent).member("damaged", result.damaged());
  json.key("repositories").begin_array();
  for (const engine::VerifiedRepository& one : result.repositories) {
    json.begin_object().member("name", one.name).key("error");
    one.error.empty() ? json.null() : json.value(escape_bytes(one.error));
    json.member("backups", one.backups).member("packs", one.packs);
    json.member("packs-opened", one.packs_opened).member("wal-segments", one.wal_segments);
    json.member("wal-opened", one.wal_opened).member("read-bytes", one.bytes_read);
    json.member("known-bad-pages", one.known_bad_pages).key("next");
    one.next.empty() ? json.null() : json.value(one.next);
    json.key("damages").begin_array();
    for (const engine::Damage& damage : one.damages) write_damage(json, damage);
    json.end_array();
    write_recorded(json, one.recorded);
    write_strings(json, "warnings", one.warnings);
    write_strings(json, "notes", one.notes);
    json.end_object();
  }
  json.end_array().end_object().end_object();
  return json.take() + "\n";
}

}  // namespace pgcairn::command
