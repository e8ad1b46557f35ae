#include "restore/databases.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr std::string_view kAlways[] = {"postgres", "template0", "template1"};

bool comes_always(std::string_view name) {
  return std::find(std::begin(kAlways), std::end(kAlways), name) != std::end(kAlways);
}

std::uint32_t oid_of(const repo::BackupMarker& backup, const std::string& name,
                     std::string_view option) {
  std::vector<std::string> known;
  for (const repo::DatabaseInfo& database : backup.databases) {
    if (database.name == name) return database.oid;
    known.push_back(database.name);
  }
  const auto near = nearest(name, known);
  std::string all;
  for (const std::string& one : known) all += format("{}\"{}\"", all.empty() ? "" : ", ", one);
  throw UsageError(
      format("{} names \"{}\", which is not a database of backup {}", option, name, backup.label),
      near ? format("did you mean \"{}\"?", *near) : format("it has {}", all));
}

}  // namespace

std::set<std::uint32_t> left_out_databases(const repo::BackupMarker& backup,
                                           const RestoreOptions& options) {
  std::set<std::uint32_t> left_out;
  if (options.db_include.empty() && options.db_exclude.empty()) return left_out;
  if (backup.databases.empty()) {
    throw UsageError(format("backup {} does not list its databases", backup.label),
                     "restore it whole: leave --db-include and --db-exclude out");
  }
  if (!options.db_include.empty()) {
    for (const repo::DatabaseInfo& database : backup.databases) {
      if (!comes_always(database.name)) left_out.insert(database.oid);
    }
  }
  for (const std::string& name : options.db_include)
    left_out.erase(oid_of(backup, name, "--db-include"));
  for (const std::string& name : options.db_exclude) {
    const std::uint32_t oid = oid_of(backup, name, "--db-exclude");
    if (comes_always(name)) {
      throw UsageError(
          format("--db-exclude names \"{}\", without which the server cannot be used", name),
          "template0, template1 and postgres always come back");
    }
    const auto& include = options.db_include;
    if (std::find(include.begin(), include.end(), name) != include.end()) {
      throw UsageError(format("\"{}\" is named by --db-include and by --db-exclude", name),
                       "name it once");
    }
    left_out.insert(oid);
  }
  return left_out;
}

std::optional<std::uint32_t> database_of(std::string_view path) {
  // base/<oid>/..., pg_tblspc/<space>/PG_<version>/<oid>/...
  const auto parts = split(path, '/');
  const std::size_t at = parts[0] == "base" ? 1 : parts[0] == "pg_tblspc" ? 3 : 0;
  if (at == 0 || parts.size() < at + 2) return std::nullopt;
  const auto oid = parse_u64(parts[at]);
  if (!oid || *oid > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*oid);
}

bool is_left_out(const repo::ManifestEntry& entry, const std::set<std::uint32_t>& databases) {
  if (databases.empty() || entry.type != repo::EntryType::file) return false;
  if (!entry.pages && !entry.path.ends_with("/pg_filenode.map")) return false;
  const auto database = database_of(entry.path);
  return database && databases.contains(*database);
}

}  // namespace pgcairn::engine
