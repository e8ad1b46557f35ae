#include "open_repositories.hpp"
#include "progress.hpp"
#include "render/render.hpp"
#include "verbs.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/repo_copy/repo_copy.hpp>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kOptions[] = {
    {"from", ValueKind::text, kShell, "NAME", "", "", 0, 0, "the repository that has the backup"},
    {"to", ValueKind::text, kShell, "NAME", "", "", 0, 0, "the repository to copy it to"},
    {"set", ValueKind::text, kShell, "LABEL", "", "", 0, 0,
     "copy this backup (default: the newest)"},
};

struct CopySettings {
  std::string set;  // empty: the newest backup
  bool dry_run = false;
};

CopySettings load(const OptionSources& options, const Settings&) {
  return {options.text_of("set"), options.is_set("dry-run")};
}

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

std::string copy_json(const engine::CopyResult& result, const Settings& settings, bool dry_run) {
  JsonWriter json;
  json.begin_object().key("repo-copy").begin_object().member("stanza", settings.stanza);
  json.member("from", settings.repositories.front().name);
  json.member("to", settings.repositories.back().name).member("dry-run", dry_run);
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

ExitCode run(const Session& session, const CopySettings& own) {
  const Settings& settings = session.settings;
  std::vector<repo::Repository> ends = make_repositories(settings, session.stop);
  engine::CopyOptions options;
  options.set = own.set;
  options.dry_run = own.dry_run;
  options.workers = settings.process_max;
  ProgressLine progress(session.console);
  const engine::CopyResult result = engine::copy_backup(settings.stanza, ends.front(), ends.back(),
                                                        options, progress, session.stop);
  session.console.progress("");
  print(settings.output == Form::json ? copy_json(result, settings, own.dry_run)
                                      : copy_text(result, ends.back().name(), own.dry_run));
  return ExitCode::done;
}

}  // namespace

constinit const Verb kRepoCopy = {
    .name = "repo-copy",
    .summary = "copy a backup and its WAL to another repository",
    .description = lines(R"(
Copies a backup from one repository to another, with everything that it needs: packs,
including those of older backups, manifest, WAL to the end of the archive, holds and
annotations. Checks every frame on the way. Skips what the target already has, so running it
again continues an interrupted copy. The target lists the backup only when the copy is
complete; meanwhile, backup and expire cannot run there.
)"),
    .examples = lines(R"(
pgcairn --from=local --to=away --dry-run repo-copy
pgcairn --stanza=main --from=local --to=away --set=20261121-010203F repo-copy
)"),
    .exit_status = lines(R"(
    4  something that the backup needs is damaged or missing; nothing is listed
   11  a backup or an expire is running at the target
   13  the stanza of the target belongs to another cluster
)"),
    .options = kOptions,
    .takes = "stanza process-max limit-rate dry-run quiet output",
    .load = with_settings<load, run>,
    .refused_when_stopped = true,
};

}  // namespace pgcairn::command
