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
        "could not access file \"/usr/lib/postgresql/15/lib/vector.so\": No such file or directory",
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

TEST_CASE("what is the machine's, the backup's or a lock's is told apart") {
  DrillResult result;
  add_failure(result, "database \"app\"", "FATAL:  could not load library \"/usr/lib/x.so\"");
  CHECK(result.unproved ==
        std::vector<std::string>{
            "database \"app\": FATAL:  could not load library \"/usr/lib/x.so\""});
  CHECK(result.findings.empty());
  CHECK(result.notes.empty());
  add_failure(result, "table \"t\"", "ERROR:  invalid page in block 3 of relation base/5/1");
  CHECK(result.findings ==
        std::vector<std::string>{
            "table \"t\": ERROR:  invalid page in block 3 of relation base/5/1"});
  add_failure(result, "table \"u\"", "ERROR:  canceling statement due to lock timeout");
  CHECK(result.notes == std::vector<std::string>{
                            "table \"u\" was not checked: a prepared transaction has it locked"});
  CHECK(result.unproved.size() == 1);
  CHECK(result.findings.size() == 1);
}

TEST_CASE("each line of pg_amcheck is a failure, a warning, or says more of the line before") {
  const auto parsed = [](const std::string& text) {
    const AmcheckOutput output = parse_amcheck(text);
    std::string all;
    for (const auto& [what, said] : output.failures) all += format("[{}: {}]", what, said);
    for (const std::string& warning : output.warnings) all += format("<{}>", warning);
    return all;
  };
  const std::string index = "btree index \"a.public.i\":\n";
  for (const char* const warning :
       {"WARNING:  old", "NOTICE:  there is nothing", "pg_amcheck: warning: skipping database"})
    CHECK(parsed(warning) == format("<{}>", warning));
  for (const char* const more :
       {"    ERROR:  wrong order", "\tERROR:  wrong order", "DETAIL:  at 3", "HINT:  build anew",
        "pg_amcheck: detail: at 3", "pg_amcheck: hint: try again", "query was: SELECT 1",
        "pg_amcheck: error: query was: SELECT 1"}) {
    const std::string trimmed(trim(more));
    CHECK(parsed(index + more) == format("[btree index \"a.public.i\": {}]", trimmed));
    CHECK(parsed(format("WARNING:  old\n{}", more)) == format("<WARNING:  old {}>", trimmed));
    // Of no line before, it is a failure: nothing is lost.
    CHECK(parsed(more) == format("[pg_amcheck: {}]", trimmed));
  }
  for (const char* const failure : {"pg_amcheck: error: could not connect",
                                    "heap table \"a\" is odd", "btree index odd", "odd:", "query"})
    CHECK(parsed(index + failure) ==
          format("[btree index \"a.public.i\": ][pg_amcheck: {}]", failure));
}
