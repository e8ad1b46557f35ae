#include "verbs/labels.hpp"

#include "settings/settings.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

namespace pgcairn::command {

std::string label_of(const Session& session) {
  const std::string& label = session.settings.operands.front();
  if (repo::is_backup_label(label)) return label;
  throw UsageError(format("\"{}\" is not the label of a backup", label),
                   "a label is like 20261121-010203F; \"pgcairn info\" lists the backups");
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
