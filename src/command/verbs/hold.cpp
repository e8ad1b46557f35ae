#include "open_repositories.hpp"
#include "render/render.hpp"
#include "verbs.hpp"

#include <pgcairn/common/calendar_span.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/expire/hold.hpp>

namespace pgcairn::command {

namespace {

std::string label_of(const Session& session) {
  const std::string& label = session.settings.operands.front();
  if (repo::is_backup_label(label)) return label;
  throw UsageError(format("\"{}\" is not the label of a backup", label),
                   "a label is like 20261121-010203F; \"pgcairn info\" lists the backups");
}

/// "90d" from now, or a time as parse_target_time() reads it.
std::optional<Timestamp> read_until(const std::string& text) {
  if (text.empty()) return std::nullopt;
  const auto span = parse_calendar_span(text);
  const bool has_date = text.find('-') != std::string::npos;
  if (!span && !has_date && is_digits(text.substr(0, 1))) {
    throw UsageError(format("option --until: \"{}\" is neither a time nor a span", text),
                     "a span is written 12h, 90d, 2w, 6mo for months, or 1y");
  }
  const Timestamp until =
      span ? after(now(), *span, [](Timestamp) { return std::chrono::seconds(0); })
           : parse_target_time(text, now(), local_zone()).when;
  if (until > now()) return until;
  throw UsageError(format("the hold would have ended already: --until is {}", format_utc(until)),
                   "give a time to come, or a span such as 90d");
}

void write_names(JsonWriter& json, const std::vector<std::string>& names) {
  json.key("repositories").begin_array();
  for (const std::string& name : names) json.value(name);
  json.end_array();
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

ExitCode hold(const Session& session) {
  const Settings& settings = session.settings;
  const repo::HoldRecord hold{label_of(session), settings.reason, read_until(settings.until)};
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const auto names = engine::hold_backup(settings.stanza, repositories, hold);
  if (settings.output == Form::text) {
    print(format("backup {} is held in {}{}: {}\n", hold.backup, joined(names),
                 hold.until ? " until " + format_local(*hold.until) : "", hold.reason));
    return ExitCode::done;
  }
  JsonWriter json;
  json.begin_object().key("hold").begin_object().member("stanza", settings.stanza);
  json.member("backup", hold.backup).member("reason", escape_bytes(hold.reason)).key("until");
  hold.until ? json.value(format_utc(*hold.until)) : json.null();
  write_names(json, names);
  json.end_object().end_object();
  print(json.take() + "\n");
  return ExitCode::done;
}

ExitCode unhold(const Session& session) {
  const Settings& settings = session.settings;
  const std::string label = label_of(session);
  std::vector<repo::Repository> repositories = make_repositories(settings, session.stop);
  const auto released = engine::release_holds(settings.stanza, repositories, label);
  if (settings.output == Form::text) {
    for (const engine::ReleasedHold& one : released) {
      print(format("backup {} is no longer held in {}: {}\n", label, one.repository,
                   one.hold.reason));
    }
    return ExitCode::done;
  }
  JsonWriter json;
  json.begin_object().key("unhold").begin_object().member("stanza", settings.stanza);
  json.member("backup", label).key("released").begin_array();
  for (const engine::ReleasedHold& one : released) {
    json.begin_object().member("repository", one.repository);
    json.member("reason", escape_bytes(one.hold.reason)).end_object();
  }
  json.end_array().end_object().end_object();
  print(json.take() + "\n");
  return ExitCode::done;
}

ExitCode annotate(const Session& session) {
  const Settings& settings = session.settings;
  const std::string label = label_of(session);
  std::vector<repo::AnnotationRecord> notes;
  for (std::size_t i = 1; i < settings.operands.size(); ++i) {
    const std::string& word = settings.operands[i];
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw UsageError(format("\"{}\" is not KEY=TEXT", word),
                       "write it like ticket=OPS-123; KEY= takes a note away");
    }
    notes.push_back({label, word.substr(0, equals), word.substr(equals + 1)});
  }
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

}  // namespace pgcairn::command
