#include <pgcairn/engine/restore/config_only.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn::engine;

TEST_CASE("configuration in a data directory is *.conf, but not in PostgreSQL's own directories") {
  for (const char* const path : {"postgresql.conf", "postgresql.auto.conf", "pg_hba.conf",
                                 "conf.d/10-memory.conf", "site/deep/b.conf"}) {
    INFO(path);
    CHECK(is_config_file(path));
  }
  for (const char* const path : {"PG_VERSION", "server.key", "postgresql.conf.old", "base/5/x.conf",
                                 "global/x.conf", "pg_replslot/s/x.conf", "conf", "conf.d"}) {
    INFO(path);
    CHECK_FALSE(is_config_file(path));
  }
}
