#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/postgres/relation_names.hpp>

#include <string>

namespace pgcairn::postgres {

namespace {

// pg_tablespace.dat
constexpr std::uint32_t kDefaultSpace = 1663;
constexpr std::uint32_t kGlobalSpace = 1664;

// A locked or slow catalog must not hold up the backup.
constexpr std::string_view kTimeLimit = "30s";

// pg_filenode_relation also knows the catalogs that have no number in pg_class (relmapper.c). A
// toast table belongs to what names it, its index to what the toast table belongs to.
constexpr const char* kNames =
    "SELECT f.number, CASE WHEN c.relisshared THEN '' ELSE current_database() END,"
    " n.nspname, c.relname,"
    " CASE c.relkind WHEN 'r' THEN 'table' WHEN 'i' THEN 'index' WHEN 'S' THEN 'sequence'"
    "  WHEN 't' THEN 'toast table' WHEN 'm' THEN 'materialized view' ELSE 'relation' END,"
    " tn.nspname, t.relname"
    " FROM unnest($1::oid[], $2::oid[], $3::oid[]) WITH ORDINALITY"
    "  AS f(space, database, filenode, number)"
    " JOIN pg_class c ON c.oid = pg_filenode_relation(f.space, f.filenode)"
    " JOIN pg_namespace n ON n.oid = c.relnamespace"
    " LEFT JOIN pg_index x ON x.indexrelid = c.oid"
    " LEFT JOIN pg_class o ON o.reltoastrelid = coalesce(x.indrelid, c.oid)"
    " LEFT JOIN pg_class t ON t.oid = coalesce(o.oid, x.indrelid)"
    " LEFT JOIN pg_namespace tn ON tn.oid = t.relnamespace"
    " WHERE f.database IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))";

std::optional<std::uint32_t> oid_of(std::string_view text) {
  const auto number = parse_u64(text);
  if (!number || *number == 0 || *number > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

}  // namespace

std::optional<RelationName> relation_of(std::string_view path) {
  const std::vector<std::string> parts = split(path, '/');
  const auto file = parse_relation_file(parts.back());
  if (!file) return std::nullopt;
  if (parts.size() == 2 && parts[0] == "global")
    return RelationName{kGlobalSpace, 0, file->relfilenode};
  const bool in_base = parts.size() == 3 && parts[0] == "base";
  const bool in_space = parts.size() == 5 && parts[0] == "pg_tblspc";
  if (!in_base && !in_space) return std::nullopt;
  const auto space = in_base ? kDefaultSpace : oid_of(parts[1]);
  const auto database = oid_of(parts[parts.size() - 2]);
  if (!space || !database) return std::nullopt;
  return RelationName{*space, *database, file->relfilenode};
}

std::vector<std::optional<NamedRelation>> name_relations(Connection& connection,
                                                         std::span<const RelationName> relations,
                                                         std::stop_token stop) {
  std::string spaces, databases, filenodes;
  for (const RelationName& relation : relations) {
    const char* const comma = spaces.empty() ? "" : ",";
    spaces += format("{}{}", comma, relation.space);
    databases += format("{}{}", comma, relation.database);
    filenodes += format("{}{}", comma, relation.relfilenode);
  }
  connection.query(format("SET statement_timeout = '{}'", kTimeLimit), {}, stop);
  std::vector<std::optional<NamedRelation>> names(relations.size());
  const auto rows = connection.query(
      kNames, {"{" + spaces + "}", "{" + databases + "}", "{" + filenodes + "}"}, stop);
  for (const Row& row : rows) {
    const auto number = parse_u64(row.at(0).value_or(""));
    if (!number || *number == 0 || *number > names.size()) continue;
    const auto text = [&](std::size_t column) { return row.at(column).value_or(""); };
    names[*number - 1] = {text(1), text(2), text(3), text(4), text(5), text(6)};
  }
  return names;
}

}  // namespace pgcairn::postgres
