#include "storage/s3_xml.hpp"

#include "storage/s3_credentials.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <map>

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
  const S3Page found =
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
  CHECK(errors[0].key == "a");
  CHECK(errors[0].code == "AccessDenied");
  CHECK(parse_s3_delete("<DeleteResult/>", "here").empty());
}

TEST_CASE("http dates") {
  CHECK(format_utc(*parse_http_date("Sat, 21 Nov 2026 01:02:03 GMT")) == "2026-11-21T01:02:03Z");
  CHECK_FALSE(parse_http_date("yesterday"));
  CHECK_FALSE(parse_http_date(""));
}

TEST_CASE("s3: keys come from the first place that has some") {
  std::map<std::string, std::string> environment = {{"HOME", "/home/me"}};
  std::map<std::string, std::string> files;
  CredentialSources sources;
  sources.variable = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  };
  sources.file = [&](const std::filesystem::path& path) -> std::optional<std::string> {
    const auto found = files.find(path.string());
    return found == files.end() ? std::nullopt : std::optional(found->second);
  };
  const S3Credentials none;
  CHECK_THAT(error_of<UsageError>([&] { find_s3_keys(none, sources); }),
             Says({"s3-key", "AWS_ACCESS_KEY_ID", "default", "/home/me/.aws/credentials"}));

  files["/home/me/.aws/credentials"] =
      "# comment\n[default]\naws_access_key_id = D\naws_secret_access_key=DS\n"
      "[ backup ]\naws_secret_access_key = BS=\naws_access_key_id = B\naws_session_token=BT\n"
      "[half]\naws_access_key_id = H\n";
  CHECK(find_s3_keys(none, sources).access_key == "D");
  CHECK(find_s3_keys(none, sources).secret_key == "DS");
  S3Credentials named;
  named.profile = "backup";
  CHECK(find_s3_keys(named, sources).secret_key == "BS=");
  CHECK(find_s3_keys(named, sources).session_token == "BT");
  named.profile = "half";
  CHECK_THROWS_AS(find_s3_keys(named, sources), UsageError);
  environment["AWS_PROFILE"] = "backup";
  CHECK(find_s3_keys(none, sources).access_key == "B");
  environment["AWS_SHARED_CREDENTIALS_FILE"] = "/etc/keys";
  CHECK_THROWS_AS(find_s3_keys(none, sources), UsageError);

  environment["AWS_ACCESS_KEY_ID"] = "E";
  CHECK_THROWS_AS(find_s3_keys(none, sources), UsageError);  // half of a pair is none
  environment["AWS_SECRET_ACCESS_KEY"] = "ES";
  CHECK(find_s3_keys(none, sources).access_key == "E");
  S3Credentials configured{"C", "CS", "", ""};
  CHECK(find_s3_keys(configured, sources).access_key == "C");
}
