#include "support/random.hpp"

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/crypto/digest.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::crypto;

TEST_CASE("digest: base64 and back") {
  // RFC 4648, section 10.
  for (const auto& [text, encoded] : {std::pair<std::string, std::string>{"", ""},
                                      {"f", "Zg=="},
                                      {"fo", "Zm8="},
                                      {"foo", "Zm9v"},
                                      {"foobar", "Zm9vYmFy"}}) {
    CHECK(base64(as_bytes(text)) == encoded);
    const auto decoded = parse_base64(encoded);
    REQUIRE(decoded);
    CHECK(as_text(*decoded) == text);
  }
  test::Random random(test::seed());
  for (std::size_t size = 0; size < 100; ++size) {
    const std::string bytes = test::random_bytes(random, size);
    CHECK(as_text(parse_base64(base64(as_bytes(bytes))).value()) == bytes);
  }
  for (const char* wrong : {"Zg", "Zg=", "Zm9v!", "Zm9*", "Zm9v\n", " Zm9v", "Zm9 ", "Zm-_"}) {
    INFO(wrong);
    CHECK_FALSE(parse_base64(wrong));
  }
}
