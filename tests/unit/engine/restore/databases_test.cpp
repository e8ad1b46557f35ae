#include "engine/restore/databases.hpp"

#include "support/says.hpp"

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using pgcairn::test::error_of;
using pgcairn::test::Says;

namespace {

repo::BackupMarker five_databases() {
  repo::BackupMarker backup;
  backup.label = "20261121-010203F";
  backup.databases = {
      {1, "template1"}, {4, "template0"}, {5, "postgres"}, {16400, "one"}, {16401, "two"}};
  return backup;
}

std::set<std::uint32_t> left_out(std::vector<std::string> include,
                                 std::vector<std::string> exclude) {
  RestoreOptions options;
  options.db_include = std::move(include);
  options.db_exclude = std::move(exclude);
  return left_out_databases(five_databases(), options);
}

}  // namespace

TEST_CASE("databases are left out by what is included and excluded") {
  using Oids = std::set<std::uint32_t>;
  CHECK(left_out({}, {}).empty());
  CHECK(left_out({"one"}, {}) == Oids{16401});
  CHECK(left_out({}, {"one"}) == Oids{16400});
  CHECK(left_out({"postgres"}, {}) == Oids{16400, 16401});
  CHECK(left_out({"one", "two"}, {}).empty());
  CHECK(left_out({"one"}, {"two"}) == Oids{16401});
  CHECK_THAT(error_of([] { left_out({"oen"}, {}); }), Says({"not a database", "--db-include"}));
  CHECK_THAT(error_of([] { left_out({}, {"template0"}); }), Says({"always come back"}));
  CHECK_THAT(error_of([] { left_out({"one"}, {"one"}); }), Says({"name it once"}));
  RestoreOptions options;
  options.db_exclude = {"one"};
  CHECK_THAT(error_of([&] { left_out_databases({}, options); }), Says({"does not list"}));
}

TEST_CASE("the files of a database that is left out become holes") {
  struct Row {
    const char* path;
    bool pages;
    bool hole;
  };
  const Row rows[] = {{"base/16401/1259", true, true},
                      {"base/16401/PG_VERSION", false, false},
                      {"base/16401/pg_filenode.map", false, true},
                      {"base/16400/1259", true, false},
                      {"base/16401", true, false},
                      {"global/1262", true, false},
                      {"global/pg_filenode.map", false, false},
                      {"pg_tblspc/16500/PG_15_202209061/16401/16600", true, true},
                      {"pg_tblspc/16401/PG_15_202209061/16400/16600", true, false},
                      {"pg_xact/16401", false, false}};
  for (const Row& row : rows) {
    repo::ManifestEntry entry;
    entry.path = row.path;
    entry.pages = row.pages;
    INFO(row.path);
    CHECK(is_left_out(entry, {16401}) == row.hole);
  }
}
