#include "console.hpp"
#include "open_repositories.hpp"
#include "progress.hpp"
#include "render/render.hpp"
#include "verbs.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/repo_copy/repo_copy.hpp>

namespace pgcairn::command {

namespace {

std::string part_text(const engine::CopyPart& part, bool dry_run) {
  std::string text = format("{} {} in {} object{}", dry_run ? "would copy" : "copied",
                            format_size(part.copied.bytes), part.copied.objects,
                            part.copied.objects == 1 ? "" : "s");
  if (part.there.objects > 0) text += format(", {} were there", part.there.objects);
  return text;
}

std::string copy_text(const engine::CopyResult& result, const std::string& to, bool dry_run) {
  std::string text = format("backup {} {} in repository {}\n", result.backup.label,
                            dry_run && !result.was_listed ? "would be" : "is", to);
  text += row("packs", part_text(result.packs, dry_run));
  text += row("manifest", part_text(result.manifest, dry_run));
  text += row("wal", part_text(result.wal, dry_run));
  if (result.records > 0)
    text += row("records", format("{} holds and annotations", result.records));
  for (const std::string& note : result.notes) text += row("note", note);
  return text;
}

void write_count(JsonWriter& json, std::string_view name, const engine::CopyCount& count) {
  json.key(name).begin_object().member("objects", count.objects);
  json.member("bytes", count.bytes).end_object();
}

void write_part(JsonWriter& json, std::string_view name, const engine::CopyPart& part) {
  json.key(name).begin_object();
  write_count(json, "copied", part.copied);
  write_count(json, "there", part.there);
  json.end_object();
}

std::string copy_json(const engine::CopyResult& result, const Settings& settings) {
  JsonWriter json;
  json.begin_object().key("repo-copy").begin_object().member("stanza", settings.stanza);
  json.member("from", settings.repositories.front().name);
  json.member("to", settings.repositories.back().name).member("dry-run", settings.dry_run);
  json.key("backup");
  write_backup(json, result.backup);
  json.member("was-listed", result.was_listed);
  write_part(json, "packs", result.packs);
  write_part(json, "manifest", result.manifest);
  write_part(json, "wal", result.wal);
  json.member("records", result.records).key("notes").begin_array();
  for (const std::string& note : result.notes) json.value(as_utf8(note));
  json.end_array().end_object().end_object();
  return json.take() + "\n";
}

}  // namespace

ExitCode repo_copy(const Session& session) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> ends = make_repositories(settings, session.stop);
  engine::CopyOptions options;
  options.set = settings.set;
  options.dry_run = settings.dry_run;
  options.workers = settings.process_max;
  ProgressLine progress(session.console);
  const engine::CopyResult result = engine::copy_backup(settings.stanza, ends.front(), ends.back(),
                                                        options, progress, session.stop);
  session.console.progress("");
  print(settings.output == Form::json ? copy_json(result, settings)
                                      : copy_text(result, ends.back().name(), settings.dry_run));
  return ExitCode::done;
}

}  // namespace pgcairn::command
