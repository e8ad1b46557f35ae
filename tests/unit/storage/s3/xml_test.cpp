#include "storage/s3/xml.hpp"

#include "storage/http/answer.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using namespace pgcairn::test;

namespace {

std::string page(std::string_view inside) {
  return format(
      "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3\">{}</ListBucketResult>", inside);
}

constexpr const char* kObject =
    "<Contents><Key>a/b</Key><LastModified>2026-11-21T01:02:03.456Z</LastModified>"
    "<ETag>x</ETag><Size>17</Size></Contents>";

}  // namespace

TEST_CASE("s3: a page of a listing") {
  const ListedPage found =
      parse_s3_page(page(format("{}<CommonPrefixes><Prefix>a/c/</Prefix></CommonPrefixes>"
                                "<IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;1"
                                "</NextContinuationToken>",
                                kObject)),
                    "here");
  REQUIRE(found.objects.size() == 1);
  CHECK(found.objects[0].key == "a/b");
  CHECK(found.objects[0].size_bytes == 17);
  CHECK(format_utc(found.objects[0].modified) == "2026-11-21T01:02:03Z");
  CHECK(found.folders == std::vector<std::string>{"a/c/"});
  CHECK(found.next_token == "t&1");
  CHECK(parse_s3_page(page("<IsTruncated>false</IsTruncated>"), "here").next_token.empty());
}

TEST_CASE("s3: a listing that may not be complete is an error") {
  const std::string text = GENERATE(values<std::string>(
      {"", "<html/>", page(""), page("<IsTruncated>true</IsTruncated>"),
       page("<IsTruncated>false</IsTruncated><NextContinuationToken>x</NextContinuationToken>"),
       page("<IsTruncated>maybe</IsTruncated>"),
       page("<Contents><Key>a</Key></Contents><IsTruncated>false</IsTruncated>"),
       page(format("{}<IsTruncated>false</IsTruncated>", kObject)).substr(0, 150),
       "<Error><Code>InternalError</Code><Message>we failed</Message></Error>"}));
  INFO(text);
  CHECK_THROWS_AS(parse_s3_page(text, "here"), Error);
}

TEST_CASE("s3: a 200 that carries an error is an error") {
  const std::string text = "<Error><Code>SlowDown</Code><Message>wait</Message></Error>";
  CHECK_THAT(error_of<TransientError>([&] { parse_s3_delete(text, "here"); }),
             Says({"here", "SlowDown", "wait"}));
  CHECK(parse_s3_error(text).code == "SlowDown");
  CHECK(parse_s3_error("not xml").code.empty());
  CHECK(parse_s3_error("<Other><Code>x</Code></Other>").code.empty());
}

TEST_CASE("s3: what was not removed is named") {
  const auto errors = parse_s3_delete(
      "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
      "<Error><Key>b</Key><Code>NoSuchKey</Code></Error></DeleteResult>",
      "here");
  REQUIRE(errors.size() == 1);
  CHECK(errors[0].name == "a");
  CHECK(errors[0].error.code == "AccessDenied");
  CHECK(parse_s3_delete("<DeleteResult/>", "here").empty());
}

TEST_CASE("http dates") {
  CHECK(format_utc(*parse_http_date("Sat, 21 Nov 2026 01:02:03 GMT")) == "2026-11-21T01:02:03Z");
  CHECK_FALSE(parse_http_date("yesterday"));
  CHECK_FALSE(parse_http_date(""));
}
