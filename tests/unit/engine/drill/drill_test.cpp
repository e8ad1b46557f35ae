#include <pgcairn/engine/drill/drill.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn::engine;

TEST_CASE("questions of a drill") {
  const auto check = [](std::string_view text, std::string_view database,
                        std::string_view statement, std::string_view answer) {
    INFO(text);
    const DrillQuestion question = parse_drill_question(text);
    CHECK(question.database == database);
    CHECK(question.statement == statement);
    CHECK(question.answer == answer);
  };
  check("SELECT true", "", "SELECT true", "t");
  check("shop: SELECT 1 => 1", "shop", "SELECT 1", "1");
  check("SELECT 'a: b' => a: b", "", "SELECT 'a: b'", "a: b");
  check("SELECT 1::text => 1", "", "SELECT 1::text", "1");
  check("TABLE x::y", "", "TABLE x::y", "t");
  check("SELECT f(a => 1) => 2", "", "SELECT f(a => 1)", "2");
  check("shop: SELECT a >= 1", "shop", "SELECT a >= 1", "t");
  check(": SELECT 1", "", ": SELECT 1", "t");
}
