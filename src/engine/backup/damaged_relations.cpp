#include "backup/damaged_relations.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/relation_names.hpp>

#include <algorithm>
#include <map>

namespace pgcairn::engine {

namespace {

/// The damaged files of one database, or the shared ones.
struct Asked {
  std::vector<repo::PageErrors*> files;
  std::vector<postgres::RelationName> relations;
};

void ask(const Asked& asked, const postgres::ConnectionSettings& settings, std::stop_token stop) {
  postgres::Connection connection(settings, stop);
  auto names = postgres::name_relations(connection, asked.relations, std::move(stop));
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!names[i]) continue;
    log_warn(
        format("\"{}\", with damaged pages, is {}", asked.files[i]->path, describe(*names[i])));
    asked.files[i]->relation = std::move(names[i]);
  }
}

}  // namespace

void name_damaged_relations(repo::BackupMarker& backup,
                            const postgres::ConnectionSettings& settings, std::stop_token stop) {
  std::map<std::uint32_t, Asked> of_databases;
  for (repo::PageErrors& file : backup.page_errors) {
    const auto relation = postgres::relation_of(file.path);
    if (!relation) continue;
    Asked& asked = of_databases[relation->database];
    asked.files.push_back(&file);
    asked.relations.push_back(*relation);
  }
  for (const auto& [oid, asked] : of_databases) {
    postgres::ConnectionSettings of_one = settings;
    if (oid != 0) {
      const auto database = std::find_if(backup.databases.begin(), backup.databases.end(),
                                         [&, id = oid](const auto& one) { return one.oid == id; });
      if (database == backup.databases.end()) continue;
      of_one.database = database->name;
    }
    try {
      ask(asked, of_one, stop);
    } catch (const PostgresError& error) {
      log_info(format("which relations the damaged pages{} belong to is not known: {}",
                      oid == 0 ? std::string() : format(" of database {}", of_one.database),
                      error.message()));
    }
  }
}

}  // namespace pgcairn::engine
