#include "storage/gcs/json.hpp"

#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using namespace pgcairn::test;

TEST_CASE("gcs: errors, in every form that they come in") {
  const StoreError error = parse_gcs_error(
      R"({"error":{"code":403,"message":"no access","errors":[{"message":"no access",)"
      R"("domain":"global","reason":"forbidden"},{"reason":"second"}]}})");
  CHECK(error.code == "forbidden");
  CHECK(error.message == "no access");
  CHECK(parse_gcs_error(R"({"error":{"code":500,"message":"internal"}})").message == "internal");
  CHECK(parse_gcs_error("No such object: b/x\n").message == "No such object: b/x");
  CHECK(parse_gcs_error("").message.empty());
  CHECK(parse_gcs_error("a\x1b[31m\nb").message == "a [31m b");  // no word to the terminal
  CHECK(parse_gcs_error(std::string(5000, 'x')).message.size() == 200);
  CHECK(is_gcs_absent(parse_gcs_error("No such object: b/x")));
  CHECK(is_gcs_absent(StoreError{"notFound", "The specified bucket does not exist."}));
  CHECK_FALSE(is_gcs_absent(parse_gcs_error("<html>404 Not Found")));
  CHECK(is_gcs_kept(StoreError{"retentionPolicyNotMet", ""}));
  CHECK(is_gcs_kept(StoreError{"objectUnderActiveHold", ""}));
  CHECK_FALSE(is_gcs_kept(StoreError{"forbidden", ""}));
}

TEST_CASE("gcs: an object, and only an object") {
  const Object object = parse_gcs_object(
      R"({"name":"a/b","size":"17","timeCreated":"2026-11-21T01:02:03.456Z"})", "the store");
  CHECK(object.key == "a/b");
  CHECK(object.size_bytes == 17);
  CHECK(object.modified == parse_utc("2026-11-21T01:02:03Z"));
  for (const char* const text :
       {"", "<Error>", "{}", R"({"error":{"code":503,"message":"later","errors":[]}})",
        R"({"name":"a","size":17,"timeCreated":"2026-11-21T01:02:03Z"})",
        R"({"name":"a","size":"x","timeCreated":"2026-11-21T01:02:03Z"})",
        R"({"name":"a","size":"17","timeCreated":"yesterday"})"}) {
    CHECK_THAT(error_of<TransientError>([&] { parse_gcs_object(text, "the store"); }),
               Says({"the answer of the store is not an object"}));
  }
  CHECK_THAT(error_of<TransientError>(
                 [&] { parse_gcs_crc32c(R"({"error":{"message":"later"}})", "the store"); }),
             Says({"later"}));
  CHECK(parse_gcs_crc32c(R"({"crc32c":"AAAAAA=="})", "the store") == "AAAAAA==");
}

TEST_CASE("gcs: a page of a listing says whether it is the last, or is none") {
  const ListedPage page = parse_gcs_page(
      R"({"kind":"storage#objects","nextPageToken":"t","prefixes":["a/","b/"],"items":)"
      R"([{"name":"c","size":"1","timeCreated":"2026-11-21T01:02:03Z"}]})",
      "the store");
  CHECK(page.objects.at(0).key == "c");
  CHECK(page.folders == std::vector<std::string>{"a/", "b/"});
  CHECK(page.next_token == "t");
  const ListedPage empty = parse_gcs_page(R"({"kind":"storage#objects"})", "the store");
  CHECK(empty.objects.empty());
  CHECK(empty.next_token.empty());
  for (const char* const text :
       {"{}", "", "[]", R"({"kind":"storage#buckets"})", R"({"kind":"storage#objects","items":7})",
        R"({"kind":"storage#objects","items":[{"name":"c"}]})",
        R"({"kind":"storage#objects","nextPageToken":7})",
        R"({"kind":"storage#objects","items":[)"}) {
    CHECK_THAT(error_of<TransientError>([&] { parse_gcs_page(text, "the store"); }),
               Says({"not a page of a listing"}));
  }
}

TEST_CASE("gcs: until when an object is kept") {
  const std::string until = R"("retentionExpirationTime":"2027-01-01T00:00:00.000Z")";
  CHECK(parse_gcs_kept("{" + until + "}", "x") == parse_utc("2027-01-01T00:00:00Z"));
  CHECK(parse_gcs_kept(R"({"temporaryHold":false,)" + until + "}", "x"));
  CHECK_FALSE(parse_gcs_kept(R"({"temporaryHold":true,)" + until + "}", "x"));
  CHECK_FALSE(parse_gcs_kept(R"({"eventBasedHold":true})", "x"));
  CHECK_FALSE(parse_gcs_kept("{}", "x"));
}

TEST_CASE("gcs: rules that delete objects are told from those that do not") {
  const auto rules = [](std::string_view type, std::string_view condition) {
    return parse_gcs_rules(
        format(R"({{"lifecycle":{{"rule":[{{"action":{{"type":"{}"}},"condition":{{{}}}}}]}}}})",
               type, condition),
        "a/b/", "x");
  };
  CHECK(rules("Delete", R"("age":180)").at(0).effect ==
        "deletes objects 180 days after they were created");
  CHECK(rules("Delete", R"("age":180,"matchesPrefix":["z/","a/"],"isLive":true)").size() == 1);
  CHECK(rules("Delete", R"("createdBefore":"2027-01-01")").size() == 1);
  CHECK(rules("Delete", R"("age":180,"matchesPrefix":["z/"])").empty());
  CHECK(rules("Delete", R"("age":180,"isLive":false)").empty());
  CHECK(rules("Delete", R"("numNewerVersions":2)").empty());
  CHECK(rules("Delete", R"("daysSinceNoncurrentTime":2)").empty());
  CHECK(rules("SetStorageClass", R"("age":1)").empty());
  CHECK(rules("AbortIncompleteMultipartUpload", R"("age":1)").empty());
  CHECK(parse_gcs_rules("{}", "", "x").empty());
}
