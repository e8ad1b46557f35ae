#include "engine/drill/blame.hpp"

#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

TEST_CASE("failures of a drill's server are about the backup, the machine, or a lock") {
  for (const char* const machine :
       {"FATAL:  database locale is incompatible with operating system; DETAIL:  The database was "
        "initialized with LC_COLLATE \"xx_YY\",  which is not recognized by setlocale().",
        "FATAL:  could not access file \"$libdir/pg_cron\": No such file or directory",
        "invalid value for parameter \"lc_monetary\": \"xx_YY\"",
        "could not load library \"/usr/lib/x.so\": libicu.so: cannot open shared object file",
        "FATAL:  could not map anonymous shared memory: Cannot allocate memory"}) {
    INFO(machine);
    CHECK(blame_of(machine) == Blame::machine);
  }
  for (const char* const backup :
       {"FATAL:  could not open file \"base/5/16399\": No such file or directory",
        "could not access file \"base/5/16399\"", "invalid page in block 3 of relation base/5/1",
        "FATAL:  could not create file \"base/5/16399\": File exists",
        "PANIC:  WAL contains references to invalid pages"}) {
    INFO(backup);
    CHECK(blame_of(backup) == Blame::backup);
  }
  CHECK(blame_of("canceling statement due to lock timeout (SQLSTATE 55P03)") == Blame::lock);
}

TEST_CASE("however many sessions warn, every damaged table is told") {
  std::string text;
  for (int i = 0; i < 500; ++i) {
    text += format(
        "WARNING:  database \"db{}\" has a collation version mismatch\n"
        "DETAIL:  The database was created using collation version 2.31, but the operating "
        "system provides version 2.36.\nHINT:  Rebuild all objects.\n",
        i);
  }
  text +=
      "btree index \"zz.public.w_t\":\n    ERROR:  item order invariant violated for index "
      "\"w_t\"\n"
      "    DETAIL:  Lower index tid=(1,2)\nWARNING:  something else\n"
      "heap table \"zz.public.w\", block 0, offset 1:\n    line pointer redirection\n"
      "heap table \"zz.public.v\":\n    ERROR:  canceling statement due to lock timeout\n"
      "pg_amcheck: error: cannot go on\npg_amcheck: detail: why\n";
  const AmcheckOutput output = parse_amcheck(text);
  REQUIRE(output.failures.size() == 4);
  CHECK(output.failures[0].what == "btree index \"zz.public.w_t\"");
  CHECK(output.failures[0].said ==
        "ERROR:  item order invariant violated for index \"w_t\" DETAIL:  Lower index tid=(1,2)");
  CHECK(output.failures[1].what == "heap table \"zz.public.w\", block 0, offset 1");
  CHECK(output.failures[3].what == "pg_amcheck");
  CHECK(output.failures[3].said == "pg_amcheck: error: cannot go on pg_amcheck: detail: why");
  REQUIRE(output.warnings.size() == 2);
  CHECK(output.warnings[0].starts_with("WARNING:  database \"db0\" has a collation"));
  CHECK(output.warnings[0].ends_with("Rebuild all objects. (499 more like it)"));
  DrillResult result;
  for (const auto& [what, said] : output.failures) add_failure(result, what, said);
  CHECK(result.findings.size() == 3);
  CHECK(result.notes.size() == 1);
  CHECK_FALSE(result.good());
  CHECK(parse_amcheck("").failures.empty());
}
