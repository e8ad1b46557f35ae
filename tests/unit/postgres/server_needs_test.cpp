#include "support/temp_dir.hpp"

#include <pgcairn/common/file.hpp>
#include <pgcairn/postgres/server_needs.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::postgres;
using namespace pgcairn::test;

TEST_CASE("libraries and locales that the configuration names and a host lacks are found") {
  const TempDir lib;
  const std::string config =
      "shared_preload_libraries = 'one'\n"
      "shared_preload_libraries = 'pg_stat_statements, \"pg_cron\",$libdir/timescaledb.so'\n"
      "lc_messages = 'xx_YY.UTF-8'\nlc_time = 'xx_YY.UTF-8'\nlc_numeric = 'C'\nlc_monetary = ''\n";
  CHECK(missing_needs(config, lib.path()).libraries.empty());  // not the server's directory
  for (const char* const name : {"plpgsql.so", "pg_stat_statements.so"})
    write_file_atomically(lib / name, {});
  const MissingNeeds missing = missing_needs(config, lib.path());
  CHECK(missing.libraries == std::vector<fs::path>{lib / "pg_cron.so", lib / "timescaledb.so"});
  CHECK(missing.locales == std::vector<std::string>{"xx_YY.UTF-8"});
  CHECK(missing_needs(config + "dynamic_library_path = '/opt'\n", lib.path()).libraries.empty());
  CHECK(missing_needs("", lib.path()).locales.empty());
}
