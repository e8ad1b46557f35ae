#include <pgcairn/common/named_relation.hpp>
#include <pgcairn/common/printable.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <string_view>

namespace pgcairn {

namespace {

/// As SQL takes it. A keyword stays as it is: behind the name of a schema it needs no quotes.
std::string sql_name(std::string_view name) {
  const auto is_first = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  const auto is_plain = [&](char c) { return is_first(c) || (c >= '0' && c <= '9') || c == '$'; };
  if (!name.empty() && is_first(name.front()) && std::all_of(name.begin(), name.end(), is_plain))
    return std::string(name);
  std::string quoted = "\"";
  for (const char c : name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

}  // namespace

std::string describe(const NamedRelation& relation) {
  std::string text = relation.database.empty() ? "shared " : "";
  text += format("{} {}.{}", relation.kind, sql_name(relation.schema), sql_name(relation.name));
  if (!relation.table.empty())
    text += format(" of {}.{}", sql_name(relation.table_schema), sql_name(relation.table));
  if (!relation.database.empty()) text += format(" in database {}", sql_name(relation.database));
  return printable_in_line(text);
}

void write_relation(JsonWriter& json, const NamedRelation& relation) {
  const auto name = [&](std::string_view member, const std::string& value) {
    json.key(member);
    value.empty() ? json.null() : json.value(escape_bytes(value));
  };
  json.begin_object();
  name("database", relation.database);
  name("schema", relation.schema);
  name("name", relation.name);
  name("kind", relation.kind);
  name("table-schema", relation.table_schema);
  name("table", relation.table);
  json.end_object();
}

NamedRelation read_relation(const JsonValue& object) {
  const auto name = [&](std::string_view member) {
    const auto value = object.find(member);
    return value ? unescape_bytes(value->string()) : std::string();
  };
  return {name("database"), name("schema"),       name("name"),
          name("kind"),     name("table-schema"), name("table")};
}

}  // namespace pgcairn
