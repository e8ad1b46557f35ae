#include "open_repositories.hpp"
#include "render/render.hpp"
#include "verbs.hpp"
#include "verbs/labels.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/expire/hold.hpp>

namespace pgcairn::command {

namespace {

ExitCode run(const Session& session) {
  const Settings& settings = session.settings;
  const std::string label = label_of(session);
  std::vector<repo::AnnotationRecord> notes;
  for (std::size_t i = 1; i < settings.operands.size(); ++i)
    notes.push_back(annotation_of(label, settings.operands[i]));
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const auto names = engine::annotate_backup(settings.stanza, repositories, label, notes);
  if (settings.output == Form::text) {
    for (const repo::AnnotationRecord& note : notes) {
      print(note.text.empty()
                ? format("backup {}: {} is taken away in {}\n", label, note.name, joined(names))
                : format("backup {}: {} is \"{}\" in {}\n", label, note.name, note.text,
                         joined(names)));
    }
    return ExitCode::done;
  }
  JsonWriter json;
  json.begin_object().key("annotate").begin_object().member("stanza", settings.stanza);
  json.member("backup", label).key("notes").begin_object();
  for (const repo::AnnotationRecord& note : notes)
    json.member(escape_bytes(note.name), escape_bytes(note.text));
  json.end_object();
  write_names(json, names);
  json.end_object().end_object();
  print(json.take() + "\n");
  return ExitCode::done;
}

}  // namespace

constinit const Verb kAnnotate = {
    .name = "annotate",
    .operands = "LABEL KEY=TEXT...",
    .least_operands = 2,
    .most_operands = 100,
    .summary = "add notes to a backup",
    .description = lines(R"(
Adds notes to a backup; info shows them. Setting a KEY again replaces its text; an empty text
removes the note.
)"),
    .examples = lines(R"(
pgcairn annotate 20261121-010203F ticket=OPS-123 "why=before the migration"
pgcairn annotate 20261121-010203F ticket=
)"),
    .exit_status = lines(R"(
   10  no repository has this backup
)"),
    .takes = "stanza repo output",
    .load = without_settings<run>,
    .cluster = ClusterUse::configured,
};

}  // namespace pgcairn::command
