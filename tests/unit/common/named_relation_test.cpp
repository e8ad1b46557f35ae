#include <pgcairn/common/named_relation.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;

TEST_CASE("a relation is described as SQL would name it, in one line for any terminal") {
  struct Row {
    NamedRelation relation;
    const char* words;
  };
  const Row rows[] = {
      {{"shop", "public", "orders", "table", "", ""}, "table public.orders in database shop"},
      {{"shop", "public", "orders_pkey", "index", "public", "orders"},
       "index public.orders_pkey of public.orders in database shop"},
      {{"shop", "pg_toast", "pg_toast_16390", "toast table", "public", "Orders"},
       "toast table pg_toast.pg_toast_16390 of public.\"Orders\" in database shop"},
      {{"", "pg_catalog", "pg_database", "table", "", ""}, "shared table pg_catalog.pg_database"},
      {{"a b", "s\"q", "1st", "sequence", "", ""},
       "sequence \"s\"\"q\".\"1st\" in database \"a b\""},
      {{"d", "public", "order", "table", "", ""}, "table public.order in database d"},
      {{"d", "public", "a$1_b", "table", "", ""}, "table public.a$1_b in database d"},
      {{"d", "public", "", "table", "", ""}, "table public.\"\" in database d"},
      {{"d", "public", "r\x1b[31m\nx\xff", "table", "", ""},
       "table public.\"r\\x1b[31m\\nx\\xff\" in database d"},
  };
  for (const Row& row : rows) CHECK(describe(row.relation) == row.words);
}

TEST_CASE("a relation's JSON has null for what is empty, and is read back") {
  for (const NamedRelation& relation :
       {NamedRelation{"shop", "public", "r\x1b\xff%", "index", "public", "t"},
        NamedRelation{"", "pg_catalog", "pg_database", "table", "", ""}}) {
    JsonWriter json;
    write_relation(json, relation);
    JsonDocument document("made up");
    CHECK(read_relation(document.parse(json.text())) == relation);
  }
  JsonWriter json;
  write_relation(json, {"", "pg_catalog", "pg_database", "table", "", ""});
  CHECK(json.text() ==
        R"({"database":null,"schema":"pg_catalog","name":"pg_database","kind":"table",)"
        R"("table-schema":null,"table":null})");
}
