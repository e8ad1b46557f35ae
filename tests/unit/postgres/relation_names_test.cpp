#include <pgcairn/postgres/relation_names.hpp>

#include <catch2/catch.hpp>

namespace pgcairn::postgres {

TEST_CASE("the numbers of a relation are read from the path of any of its files") {
  struct Case {
    const char* path;
    std::optional<RelationName> relation;
  };
  const Case cases[] = {
      {"base/5/16399", RelationName{1663, 5, 16399}},
      {"base/5/16399.12", RelationName{1663, 5, 16399}},
      {"base/5/16399_fsm", RelationName{1663, 5, 16399}},
      {"base/5/16399_vm.1", RelationName{1663, 5, 16399}},
      {"base/5/16399_init", RelationName{1663, 5, 16399}},
      {"global/1262", RelationName{1664, 0, 1262}},
      {"pg_tblspc/16400/PG_15_202209061/5/16401", RelationName{16400, 5, 16401}},
      {"base/4294967295/4294967295", RelationName{1663, UINT32_MAX, UINT32_MAX}},
      {"base/4294967296/1", {}},
      {"base/5/t3_16399", {}},
      {"base/5/pg_filenode.map", {}},
      {"base/5/5/16399", {}},
      {"base/x/16399", {}},
      {"base/16399", {}},
      {"16399", {}},
      {"", {}},
      {"pg_tblspc/x/PG_15_202209061/5/16401", {}},
      {"pg_tblspc/16400/5/16401", {}},
      {"other/5/16399", {}},
      {"pg_xact/0000", {}},
  };
  for (const Case& one : cases) {
    INFO(one.path);
    CHECK(relation_of(one.path) == one.relation);
  }
}

}  // namespace pgcairn::postgres
