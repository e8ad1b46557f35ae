#include "engine/backup/changed_pages.hpp"

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using postgres::RelationKey;

TEST_CASE("a file's path tells its relation as WAL names it") {
  CHECK(relation_of("global/1262", 1262) == RelationKey{1664, 0, 1262});
  CHECK(relation_of("base/5/16384.1", 16384) == RelationKey{1663, 5, 16384});
  CHECK(relation_of("pg_tblspc/16400/PG_18_202506291/5/16384", 16384) ==
        RelationKey{16400, 5, 16384});
}
