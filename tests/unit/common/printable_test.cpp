#include <pgcairn/common/counted.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/printable.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;

TEST_CASE("control characters are shown, not sent to the terminal") {
  struct Example {
    const char* text;
    const char* shown;
    const char* in_line;
  };
  const Example examples[] = {
      {"plain, \"quoted\" 100% \\", "plain, \"quoted\" 100% \\", "plain, \"quoted\" 100% \\"},
      {"a\nb\tc", "a\nb\tc", "a\\nb\\tc"},
      {"\x1b[2J\a\r", "\\x1b[2J\\x07\\x0d", "\\x1b[2J\\x07\\x0d"},
      {"\x7f", "\\x7f", "\\x7f"},
      {"\xc2\x9b"
       "31m",
       "\\xc2\\x9b31m", "\\xc2\\x9b31m"},
      {"Gr\xc3\xbc\xc3\x9f"
       "e \xe2\x82\xac",
       "Gr\xc3\xbc\xc3\x9f"
       "e \xe2\x82\xac",
       "Gr\xc3\xbc\xc3\x9f"
       "e \xe2\x82\xac"},
      {"\xff\xc3(", "\\xff\\xc3(", "\\xff\\xc3("},
      {"", "", ""},
  };
  for (const Example& example : examples) {
    CAPTURE(example.shown);
    CHECK(printable(example.text) == example.shown);
    CHECK(printable_in_line(example.text) == example.in_line);
  }
}

TEST_CASE("JSON escapes every control character in its own way") {
  JsonWriter json;
  json.value("\x1b\x7f\xc2\x9b\xc3\xa4\n");
  CHECK(json.text() == "\"\\u001b\\u007f\\u009b\xc3\xa4\\n\"");
}

TEST_CASE("one is not many") {
  CHECK(counted(0, "backup") == "0 backups");
  CHECK(counted(1, "backup") == "1 backup");
  CHECK(counted(2, "WAL segment") == "2 WAL segments");
}
