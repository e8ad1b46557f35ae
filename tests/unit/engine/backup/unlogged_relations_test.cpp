#include "engine/backup/unlogged_relations.hpp"

#include "engine/stanza/manifest_paths.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/file.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

postgres::SourceFile source(const std::string& path) {
  postgres::SourceFile file;
  file.path = path;
  file.relation = postgres::parse_relation_file(path.substr(path.rfind('/') + 1));
  return file;
}

}  // namespace

TEST_CASE("relations that became unlogged after their files were taken are told") {
  const test::TempDir data;
  const std::string space = "pg_tblspc/16400/PG_15_202209061/5";
  for (const std::string& directory : {std::string("base/1"), std::string("base/5"), space})
    fs::create_directories(data / directory);
  CopiedRelations relations;
  for (const std::string& path :
       {std::string("base/1/16399"), std::string("base/5/16399"), std::string("base/5/16400.1"),
        std::string("base/5/16401_vm"), space + "/16500"})
    relations.look_at(source(path));
  for (const std::string& path :
       {std::string("base/5/16399_init"), std::string("base/5/16400_init"),
        std::string("base/5/16401_init"), std::string("base/5/16402_init"), space + "/16500_init"})
    write_file_atomically(data / path, {}, 0600);
  postgres::ControlFile control;
  control.major = 15;
  control.catalog_version = 202209061;
  CHECK(relations.became_unlogged(data.path(), control) ==
        std::vector<std::string>{"base/5/16399", space + "/16500"});
  relations.clear();
  CHECK(relations.became_unlogged(data.path(), control).empty());
}

TEST_CASE("of an unlogged relation all is left out but the init fork") {
  const std::set<std::string> unlogged = {"base/5/16399"};
  for (const char* const left :
       {"base/5/16399", "base/5/16399.1", "base/5/16399_fsm", "base/5/16399_vm.2"}) {
    INFO(left);
    CHECK(is_left_to_init_fork(left, unlogged));
    CHECK_FALSE(is_left_to_init_fork(left, {}));
  }
  for (const char* const kept : {"base/5/16399_init", "base/5/163990", "base/1/16399", "base/5",
                                 "base/5/pg_filenode.map", "16399", "base/5/t3_16399"}) {
    INFO(kept);
    CHECK_FALSE(is_left_to_init_fork(kept, unlogged));
  }
}
