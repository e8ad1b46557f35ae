#include <pgcairn/common/text.hpp>

#include <cstdlib>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace std::chrono_literals;

namespace {

template <class Value>
struct Row {
  std::string_view text;
  std::optional<Value> value;
};

}  // namespace

TEST_CASE("parse_u64 takes whole numbers only") {
  for (const auto& [text, value] :
       std::initializer_list<Row<std::uint64_t>>{{"0", 0},
                                                 {"007", 7},
                                                 {"18446744073709551615", UINT64_MAX},
                                                 {"18446744073709551616", {}},
                                                 {"", {}},
                                                 {"-1", {}},
                                                 {"+1", {}},
                                                 {" 1", {}},
                                                 {"1 ", {}},
                                                 {"1.0", {}},
                                                 {"0x10", {}},
                                                 {"ten", {}}}) {
    INFO(text);
    CHECK(parse_u64(text) == value);
  }
  for (const auto& [text, value] : std::initializer_list<Row<std::uint64_t>>{
           {"ff", 255}, {"FF", 255}, {"0", 0}, {"g", {}}, {"0x1", {}}, {"", {}}}) {
    INFO(text);
    CHECK(parse_u64(text, 16) == value);
  }
}

TEST_CASE("parse_size") {
  for (const auto& [text, value] :
       std::initializer_list<Row<std::uint64_t>>{{"0", 0},
                                                 {"4096", {}},
                                                 {"4096B", 4096},
                                                 {"1K", kKiB},
                                                 {"1KiB", kKiB},
                                                 {"1KB", kKiB},
                                                 {"64MiB", 64 * kMiB},
                                                 {"64M", 64 * kMiB},
                                                 {"1G", kGiB},
                                                 {"2TiB", 2048 * kGiB},
                                                 {"8388607T", 8388607ull << 40},
                                                 {"8388608T", {}},  // more than an off_t
                                                 {"99999999999999999999", {}},
                                                 {"", {}},
                                                 {"M", {}},
                                                 {"1.5G", {}},
                                                 {"1m", {}},
                                                 {"1Mi", {}},
                                                 {"1MiBs", {}},
                                                 {"1P", {}},
                                                 {"1 M", {}},
                                                 {"-1", {}},
                                                 {"1BB", {}}}) {
    INFO(text);
    CHECK(parse_size(text) == value);
  }
}

TEST_CASE("parse_duration") {
  for (const auto& [text, value] :
       std::initializer_list<Row<std::chrono::milliseconds>>{{"0", 0ms},
                                                             {"90", {}},
                                                             {"90s", 90s},
                                                             {"250ms", 250ms},
                                                             {"5m", 5min},
                                                             {"2h", 2h},
                                                             {"7d", 7 * 24h},
                                                             {"", {}},
                                                             {"s", {}},
                                                             {"5M", {}},
                                                             {"1w", 7 * 24h},
                                                             {"5 m", {}},
                                                             {"1.5h", {}},
                                                             {"-5s", {}},
                                                             {"1h30m", {}},
                                                             {"999999999999d", {}}}) {
    INFO(text);
    CHECK(parse_duration(text) == value);
  }
}

TEST_CASE("format_size and format_duration are for people") {
  CHECK(format_size(0) == "0 B");
  CHECK(format_size(999) == "999 B");
  CHECK(format_size(1000) == "1.0 KiB");
  CHECK(format_size(1024) == "1.0 KiB");
  CHECK(format_size(1536) == "1.5 KiB");
  CHECK(format_size(10 * kKiB) == "10 KiB");
  CHECK(format_size(999 * kKiB) == "999 KiB");
  CHECK(format_size(1000 * kKiB) == "1.0 MiB");
  CHECK(format_size(64 * kMiB) == "64 MiB");
  CHECK(format_size(1503238553) == "1.4 GiB");
  CHECK(format_size(UINT64_MAX) == "16 EiB");
  CHECK(format_duration(0ms) == "0.0s");
  CHECK(format_duration(4200ms) == "4.2s");
  CHECK(format_duration(59s) == "59.0s");
  CHECK(format_duration(60s) == "1m00s");
  CHECK(format_duration(185s) == "3m05s");
  CHECK(format_duration(3599s) == "59m59s");
  CHECK(format_duration(3720s) == "1h02m");
  CHECK(format_duration(24h) == "1d00h");
  CHECK(format_duration(50h) == "2d02h");
}

TEST_CASE("format_duration never says 60 seconds") {
  CHECK(format_duration(59'940ms) == "59.9s");
  CHECK(format_duration(59'999ms) == "59.9s");
}

TEST_CASE("hex and parse_hex") {
  CHECK(hex(as_bytes("")) == "");
  CHECK(hex(as_bytes("\x01\xab\xff")) == "01abff");
  const auto bytes = parse_hex("01ABff");
  REQUIRE(bytes);
  CHECK(hex(*bytes) == "01abff");
  CHECK(parse_hex("")->empty());
  for (const char* text : {"0", "0g", "0x12", " 12", "-1"}) {
    INFO(text);
    CHECK_FALSE(parse_hex(text));
  }
}

TEST_CASE("split, trim, is_digits") {
  using Parts = std::vector<std::string>;
  CHECK(split("a,b,c", ',') == Parts{"a", "b", "c"});
  CHECK(split("", ',') == Parts{""});
  CHECK(split(",", ',') == Parts{"", ""});
  CHECK(split("a,,b,", ',') == Parts{"a", "", "b", ""});
  CHECK(split("abc", ',') == Parts{"abc"});
  CHECK(trim("  a b\t\r\n") == "a b");
  CHECK(trim("") == "");
  CHECK(trim(" \n") == "");
  CHECK(is_digits("0123"));
  for (const char* text : {"", "-1", "1a", " 1", "1.0"}) CHECK_FALSE(is_digits(text));
}

TEST_CASE("nearest finds what was meant, and nothing when nothing is near") {
  const std::vector<std::string> verbs{"archive-get", "archive-push", "backup",        "expire",
                                       "info",        "restore",      "stanza-create", "verify"};
  CHECK(nearest("bakcup", verbs) == "backup");
  CHECK(nearest("backups", verbs) == "backup");
  CHECK(nearest("restor", verbs) == "restore");
  CHECK(nearest("archive-pull", verbs) == "archive-push");
  CHECK(nearest("archive_get", verbs) == "archive-get");
  CHECK(nearest("stanza-crate", verbs) == "stanza-create");
  CHECK(nearest("inof", verbs) == "info");
  CHECK(nearest("backup", verbs) == "backup");
  CHECK_FALSE(nearest("frobnicate", verbs));
  CHECK_FALSE(nearest("", verbs));
  CHECK_FALSE(nearest("backup", {}));
}

TEST_CASE("shell_quote makes one word that the shell gives back") {
  CHECK(shell_quote("/usr/bin/pgcairn") == "/usr/bin/pgcairn");
  CHECK(shell_quote("--stanza=main") == "--stanza=main");
  CHECK(shell_quote("%p") == "%p");
  CHECK(shell_quote("") == "''");
  CHECK(shell_quote("a b") == "'a b'");
  CHECK(shell_quote("it's") == "'it'\\''s'");
  for (const std::string text : {"", "a b", "it's", "$HOME `id` \"x\" \\ * ? ~ # ; & | < > ( ) !",
                                 "two\nlines", "'", "~", "a\tb"}) {
    INFO(text);
    CHECK(std::system(
              ("test " + shell_quote("x" + text) + " = \"$(cat <<'END'\nx" + text + "\nEND\n)\"")
                  .c_str()) == 0);
  }
}
