#include "verbs/labels.hpp"

#include "settings/settings.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/printable.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/repository.hpp>

namespace pgcairn::command {

std::string label_of(const Session& session) {
  const std::string& label = session.settings.operands.front();
  if (repo::is_backup_label(label)) return label;
  throw UsageError(format("\"{}\" is not the label of a backup", label),
                   "a label is like 20261121-010203F; \"pgcairn info\" lists the backups");
}

std::string newest_label(const std::string& stanza, std::span<repo::Repository> repositories) {
  std::string newest;
  for (repo::Repository& repository : repositories) {
    repository.open();
    const auto names = stanza.empty() ? repository.stanzas() : std::vector<std::string>{stanza};
    for (const std::string& name : names) {
      for (const std::string& label : repository.backup_labels(name))
        if (newest.empty() || repo::label_time(newest) < repo::label_time(label)) newest = label;
    }
  }
  if (newest.empty()) throw MissingError("there is no backup");
  return newest;
}

repo::AnnotationRecord annotation_of(const std::string& label, const std::string& word) {
  constexpr std::size_t most_key_bytes = 64;
  constexpr std::size_t most_text_bytes = 1024;
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw UsageError(format("\"{}\" is not KEY=TEXT", word),
                     "write it like ticket=OPS-123; KEY= takes a note away");
  }
  if (equals > most_key_bytes || word.size() - equals - 1 > most_text_bytes) {
    throw UsageError(
        format("the note \"{}\" is too long", word.substr(0, equals)),
        format("a key has at most {} bytes, and a text {}", most_key_bytes, most_text_bytes));
  }
  if (printable_in_line(word) != word) {
    throw UsageError(
        format("the note \"{}\" has control characters, or is not UTF-8", word.substr(0, equals)));
  }
  return {label, word.substr(0, equals), word.substr(equals + 1)};
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

}  // namespace pgcairn::command
