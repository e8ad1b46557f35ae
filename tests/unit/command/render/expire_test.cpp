#include "command/render/render.hpp"
#include "support/says.hpp"

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::command;
using namespace pgcairn::test;

namespace {

std::vector<ExpiredRepository> two_repositories() {
  engine::ExpireResult result;
  result.done = true;
  result.plan.backups = {
      {"20261101-000000F",
       repo::BackupType::full,
       parse_utc("2026-11-01T00:00:00Z").value(),
       9,
       true,
       false,
       {"no rule keeps it"}},
      {"20261102-000000F", std::nullopt, {}, 0, false, true, {"keep-last 1", "the newest backup"}}};
  result.plan.data = {
      {"20261101-000000F", 2, 3, 1, 2048, "the backup is removed", "named by 20261102-000000F"}};
  result.plan.wal = {{"15-7", "000000010000000000000001", "000000010000000000000003", 3, 4096,
                      false, "no kept backup needs it"}};
  result.plan.records = {"20261101-000000-note-0123abcd"};
  result.plan.notes = {"a note"};
  result.removed_objects = 8;
  result.removed_bytes = 6144;
  result.kept_by_store = {"main/data/x", 2, parse_utc("2027-01-01T00:00:00Z")};
  return {{"local", "", result}, {"away", "cannot be reached", std::nullopt}};
}

}  // namespace

TEST_CASE("expire tells what went and why, what the store keeps, and what could not be done") {
  const auto repositories = two_repositories();
  CHECK_THAT(expire_text(repositories, false),
             Says({"repository local: removed 1 backup, 3 packs, 3 files of WAL, 6.0 KiB in 8 "
                   "objects; 2 objects are kept by the store until 20",
                   "  remove  backup 20261101-000000F (DAMAGED): no rule keeps it\n",
                   "  keep    backup 20261102-000000F: keep-last 1, the newest backup\n",
                   "  remove  3 packs and 1 manifest part of 20261101-000000F, 2.0 KiB: the backup "
                   "is removed\n",
                   "  keep    2 packs of 20261101-000000F: named by 20261102-000000F\n",
                   "  remove  WAL 000000010000000000000001 to 000000010000000000000003 of 15-7, 3 "
                   "files, 4.0 KiB: no kept backup needs it\n",
                   "  remove  1 record of removed backups\n", "  note: a note\n",
                   "repository away: NOT FINISHED: cannot be reached\n"}));
  CHECK_THAT(expire_text(repositories, true), Says({"repository local: would remove 1 backup"}));
}

TEST_CASE("the JSON of expire has what pgcairn-expire(1) tells, and nothing else") {
  CHECK(
      expire_json(two_repositories(), "main", false) ==
      R"({"expire":{"stanza":"main","dry-run":false,"repositories":[{"name":"local","error":null,)"
      R"("done":true,"backups":[{"label":"20261101-000000F","type":"full",)"
      R"("stop-time":"2026-11-01T00:00:00Z","stored-bytes":9,"damaged":true,"keep":false,)"
      R"("reasons":["no rule keeps it"]},{"label":"20261102-000000F","type":null,)"
      R"("stop-time":null,"stored-bytes":0,"damaged":false,"keep":true,)"
      R"("reasons":["keep-last 1","the newest backup"]}],"data":[{"backup":"20261101-000000F",)"
      R"("packs-kept":2,"packs-removed":3,"manifest-parts-removed":1,"removed-bytes":2048,)"
      R"("reason":"the backup is removed","kept-reason":"named by 20261102-000000F"}],)"
      R"("wal":[{"cluster":"15-7","first":"000000010000000000000001",)"
      R"("last":"000000010000000000000003","files":3,"bytes":4096,"keep":false,)"
      R"("reason":"no kept backup needs it"}],"records":["20261101-000000-note-0123abcd"],)"
      R"("notes":["a note"],"removed-objects":8,"removed-bytes":6144,)"
      R"("kept-by-store":{"objects":2,"first":"main/data/x","until":"2027-01-01T00:00:00Z"}},)"
      R"({"name":"away","error":"cannot be reached","done":false,"backups":[],"data":[],"wal":[],)"
      R"("records":[],"notes":[],"removed-objects":0,"removed-bytes":0,"kept-by-store":null}]}})"
      "\n");
}
