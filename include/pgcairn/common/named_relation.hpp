#pragma once

#include <pgcairn/common/json.hpp>

#include <string>

namespace pgcairn {

/// What people call a relation whose file is known. Names are the server's bytes.
struct NamedRelation {
  std::string database;  // empty: shared by all databases
  std::string schema;
  std::string name;
  std::string kind;          // "table", "index", "sequence", "toast table", "materialized view"
  std::string table_schema;  // of what an index or a toast table belongs to
  std::string table;         // empty: it belongs to no other
  bool operator==(const NamedRelation&) const = default;
};

/// "table public.orders in database shop", "index public.orders_pkey of public.orders in database
/// shop", "shared table pg_catalog.pg_database": in one line, with quotes around a name where SQL
/// needs them, and nothing that would control a terminal.
std::string describe(const NamedRelation& relation);

/// An object in markers and results, and back: names are escaped, an empty one is null.
void write_relation(JsonWriter& json, const NamedRelation& relation);
NamedRelation read_relation(const JsonValue& object);

}  // namespace pgcairn
