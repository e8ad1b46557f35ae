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

TEST_CASE("s3: rules that take objects away are told from those that do not") {
  const std::string deletes = "<Expiration><Days>30</Days></Expiration>";
  const std::string status = "<Status>Enabled</Status>";
  const auto in_and = [](std::string_view text) {
    return format("<Filter><And>{}</And></Filter>", text);
  };
  struct Case {
    std::string rule;
    std::string effect;  // empty: none
  };
  const auto [rule, effect] = GENERATE_COPY(values<Case>({
      {status + deletes, "deletes objects 30 days after they were created"},
      {status + "<Prefix/>" + deletes, "deletes objects 30 days after they were created"},
      {status + "<Prefix>a/b/</Prefix>" + deletes,
       "deletes objects 30 days after they were created"},
      {status + "<Filter><Prefix>a/b/main/</Prefix></Filter>" + deletes,
       "deletes objects 30 days after they were created"},
      {status + "<Filter><Prefix>a/c/</Prefix></Filter>" + deletes, ""},
      {status + "<Prefix>a/c/</Prefix>" + deletes, ""},
      {"<Status>Disabled</Status>" + deletes, ""},
      {status + "<Expiration><Date>2027-01-01T00:00:00.000Z</Date></Expiration>",
       "deletes objects from 2027-01-01T00:00:00.000Z on"},
      {status +
           "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>",
       ""},
      {status + "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>"
                "</NoncurrentVersionExpiration>",
       ""},
      {status + "<Transition><Days>1</Days><StorageClass>GLACIER_IR</StorageClass></Transition>"
                "<Transition><Days>1</Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>",
       "moves objects to DEEP_ARCHIVE 1 day after they were created"},
      {status + "<Transition><Days>1</Days><StorageClass>STANDARD_IA</StorageClass></Transition>",
       ""},
      {status + in_and("<Prefix>a/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag>") + deletes,
       "deletes objects 30 days after they were created"},
      {status + in_and("<Prefix>a/</Prefix><Tag><Key>k</Key><Value>w</Value></Tag>") + deletes, ""},
      {status + "<Filter><Tag><Key>other</Key><Value>v</Value></Tag></Filter>" + deletes, ""},
  }));
  INFO(rule);
  const auto found = parse_s3_rules(
      format("<LifecycleConfiguration><Rule><ID>r</ID>{}</Rule></LifecycleConfiguration>", rule),
      "a/b/", {{"k", "v"}});
  REQUIRE(found.size() == (effect.empty() ? 0 : 1));
  if (!effect.empty()) {
    CHECK(found[0].name == "r");
    CHECK(found[0].effect == effect);
  }
  CHECK(parse_s3_rules("<Error><Code>NoSuchLifecycleConfiguration</Code></Error>", "", {}).empty());
}

TEST_CASE("http dates") {
  CHECK(format_utc(*parse_http_date("Sat, 21 Nov 2026 01:02:03 GMT")) == "2026-11-21T01:02:03Z");
  CHECK_FALSE(parse_http_date("yesterday"));
  CHECK_FALSE(parse_http_date(""));
}
