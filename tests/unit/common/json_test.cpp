#include "support/random.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>

#include <cmath>
#include <limits>

#include <catch2/catch.hpp>

using namespace pgcairn;
using test::error_of;
using test::Says;

namespace {

/// JSON's reader refuses what is not UTF-8, so it is the judge of that.
std::string through_json(std::string_view text) {
  JsonWriter writer;
  writer.value(text);
  JsonDocument document("test");
  return std::string(document.parse(writer.text()).string());
}

}  // namespace

TEST_CASE("JsonWriter sets commas, quotes and escapes") {
  JsonWriter writer;
  writer.begin_object()
      .member("text", "a \"b\" \\ /\n\t\x01\x1f\x7f")
      .member("u64", UINT64_MAX)
      .member("i64", INT64_MIN)
      .member("u32", std::uint32_t{7})
      .member("int", -1)
      .member("yes", true)
      .member("no", false)
      .member("half", 0.5)
      .key("nothing")
      .null()
      .key("raw")
      .raw("[1, 2]")
      .key("empty")
      .begin_array()
      .end_array()
      .key("list")
      .begin_array()
      .value(1)
      .begin_object()
      .end_object()
      .begin_array()
      .value("x")
      .end_array()
      .value("y")
      .end_array()
      .member(std::string("\xc3\xa9"), std::string("\xe2\x82\xac"))
      .end_object();
  CHECK(writer.text() ==
        "{\"text\":\"a \\\"b\\\" \\\\ "
        "/\\n\\u0009\\u0001\\u001f\\u007f\",\"u64\":18446744073709551615,"
        "\"i64\":-9223372036854775808,\"u32\":7,\"int\":-1,\"yes\":true,\"no\":false,\"half\":0.5,"
        "\"nothing\":null,\"raw\":[1, 2],\"empty\":[],\"list\":[1,{},[\"x\"],\"y\"],"
        "\"\xc3\xa9\":\"\xe2\x82\xac\"}");
  const std::string taken = writer.take();
  writer.clear();
  writer.begin_array().value(1).end_array();
  CHECK(writer.text() == "[1]");
}

TEST_CASE("JsonWriter has no number for infinity") {
  JsonWriter writer;
  writer.begin_array()
      .value(std::numeric_limits<double>::infinity())
      .value(std::nan(""))
      .value(1e300)
      .value(0.1)
      .end_array();
  CHECK(writer.text() == "[null,null,1e+300,0.1]");
}

TEST_CASE("JsonDocument reads every type") {
  JsonDocument document("main/backup.json");
  const JsonValue value = document.parse(
      R"({"s":"a\u00e9\n","u":18446744073709551615,"i":-5,"d":1.5,"whole":2,"t":true,"n":null,
          "list":[1,2,3],"mixed":[1,"x"],"object":{"k":"v","l":"w"},"empty":{}})");
  CHECK(value["s"].string() == "a\xc3\xa9\n");
  CHECK(value["u"].u64() == UINT64_MAX);
  CHECK(value["i"].i64() == -5);
  CHECK(value["d"].number() == 1.5);
  CHECK(value["whole"].number() == 2.0);
  CHECK(value["t"].boolean());
  CHECK_FALSE(value.find("n"));
  CHECK_FALSE(value.find("absent"));
  CHECK_FALSE(value["s"].is_null());
  CHECK(value["list"].u64s() == std::vector<std::uint64_t>{1, 2, 3});
  CHECK(value["list"].array().size() == 3);
  CHECK(value["list"].array()[2].u64() == 3);
  CHECK(value["mixed"].array()[1].string() == "x");
  std::string members;
  value["object"].each_member([&](std::string_view name, JsonValue member) {
    members += std::string(name) + "=" + std::string(member.string()) + ";";
  });
  CHECK(members == "k=v;l=w;");
  value["empty"].each_member([](std::string_view, JsonValue) { FAIL("there is none"); });
}

TEST_CASE("JsonDocument: what is wrong names object and offset") {
  JsonDocument document("main/manifest");
  const auto damage = [&](auto&& action) { return error_of<DamagedError>(action); };
  for (const char* text : {"", "{", "{\"a\":}", "[1,]", "nul", "{} {}", "\"\xff\"", "\"a\nb\"",
                           "01", "18446744073709551616"}) {
    INFO(text);
    CHECK_THAT(damage([&] { document.parse(text, 4711); }),
               (Says{"damaged \"main/manifest\" at offset 4711: not JSON"}));
  }
  const JsonValue value = document.parse(R"({"s":"x","i":-1,"d":1.5,"list":[1,-2]})", 99);
  CHECK_THAT(damage([&] { value["absent"]; }),
             (Says{"damaged \"main/manifest\" at offset 99: \"absent\" is absent"}));
  CHECK_THAT(damage([&] { value["s"].u64(); }), (Says{"offset 99", "not a whole number"}));
  CHECK_THAT(damage([&] { value["i"].u64(); }), (Says{"not a whole number"}));
  CHECK_THAT(damage([&] { value["d"].i64(); }), (Says{"not a whole number"}));
  CHECK_THAT(damage([&] { value["d"].string(); }), (Says{"not a string"}));
  CHECK_THAT(damage([&] { value["s"].boolean(); }), (Says{"not true or false"}));
  CHECK_THAT(damage([&] { value["s"].array(); }), (Says{"not an array"}));
  CHECK_THAT(damage([&] { value["list"].u64s(); }), (Says{"whole numbers only"}));
  CHECK_THAT(damage([&] { value["list"]["x"]; }), (Says{"not an object"}));
  CHECK_THAT(damage([&] { value["s"].each_member([](std::string_view, JsonValue) {}); }),
             (Says{"not an object"}));
}

TEST_CASE("JsonDocument parses one text after the other") {
  JsonDocument document("lines");
  for (std::uint64_t i = 0; i < 100; ++i) {
    CHECK(document.parse("{\"n\":" + std::to_string(i) + "}", i)["n"].u64() == i);
    CHECK(document.offset() == i);
  }
  CHECK_THROWS_AS(document.parse("{"), DamagedError);
  CHECK(document.parse("[7]").u64s() == std::vector<std::uint64_t>{7});
}

TEST_CASE("escape_bytes leaves valid UTF-8 alone and writes the rest as %XX") {
  struct Row {
    std::string raw;
    std::string escaped;
  };
  for (const Row& row : {
           Row{"", ""},
           Row{"base/16384/2619", "base/16384/2619"},
           Row{"100%", "100%25"},
           Row{"%41", "%2541"},
           Row{"a\nb\x7f", "a%0Ab%7F"},
           Row{std::string("\0", 1), "%00"},
           Row{"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x98",
               "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x98"},
           Row{"caf\xe9", "caf%E9"},
           Row{"\xc3", "%C3"},
           Row{"\xc3\x28", "%C3("},
           Row{"\xc0\xaf", "%C0%AF"},                // overlong
           Row{"\xe0\x80\xaf", "%E0%80%AF"},         // overlong
           Row{"\xed\xa0\x80", "%ED%A0%80"},         // a surrogate
           Row{"\xf4\x90\x80\x80", "%F4%90%80%80"},  // past U+10FFFF
           Row{"\xf0\x80\x80\x80", "%F0%80%80%80"},  // overlong
           Row{"\xf5\x80\x80\x80", "%F5%80%80%80"},
           Row{"\xe2\x82", "%E2%82"},
           Row{"\x80", "%80"},
       }) {
    INFO(row.escaped);
    CHECK(escape_bytes(row.raw) == row.escaped);
    CHECK(unescape_bytes(row.escaped) == row.raw);
    CHECK(through_json(row.escaped) == row.escaped);
  }
}

TEST_CASE("unescape_bytes leaves a '%' without two digits alone") {
  for (const std::string text : {"%", "%4", "%G1", "%1G", "a%", "%-1", "% 1"}) {
    INFO(text);
    CHECK(unescape_bytes(text) == text);
  }
  CHECK(unescape_bytes("%e9") == "\xe9");
}

TEST_CASE("escape_bytes: any bytes come back, and what it makes is UTF-8", "[property]") {
  test::Random random(test::seed());
  // Bytes near the edges of UTF-8 are met by chance too seldom.
  static constexpr std::string_view edges =
      "%A0\n\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc2\xdf\xe0\xe1\xed\xef\xf0\xf3\xf4\xf5\xff";
  for (int round = 0; round < 20'000; ++round) {
    std::string raw = test::random_bytes(random, test::below(random, 12));
    for (char& c : raw) {
      if (test::below(random, 3) != 0) c = edges[test::below(random, edges.size())];
    }
    const std::string escaped = escape_bytes(raw);
    if (unescape_bytes(escaped) != raw || through_json(escaped) != escaped) {
      FAIL("seed " << test::seed() << ", raw bytes "
                   << Catch::StringMaker<std::string>::convert(raw));
    }
  }
  SUCCEED();
}
