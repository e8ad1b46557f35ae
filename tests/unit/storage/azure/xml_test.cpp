#include "storage/azure/xml.hpp"

#include "storage/azure/batch.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using namespace pgcairn::test;

namespace {

std::string page(std::string_view blobs, std::string_view end = "<NextMarker />") {
  return format(
      "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults "
      "ServiceEndpoint=\"https://a.blob.core.windows.net/\" ContainerName=\"c\"><Prefix>a</Prefix>"
      "<Blobs>{}</Blobs>{}</EnumerationResults>",
      blobs, end);
}

std::string blob(std::string_view name, std::string_view more = "") {
  return format(
      "<Blob>{}<Properties><Last-Modified>Sat, 21 Nov 2026 01:02:03 GMT</Last-Modified>"
      "<Content-Length>17</Content-Length>{}</Properties></Blob>",
      name, more);
}

constexpr const char* kBusy =
    "\xEF\xBB\xBF<?xml version=\"1.0\"?><Error><Code>ServerBusy</Code><Message>too much\n"
    "RequestId:1\nTime:2</Message><AuthenticationErrorDetail>secret</AuthenticationErrorDetail>"
    "</Error>";

}  // namespace

TEST_CASE("azure: a page of a listing") {
  const ListedPage found = parse_azure_page(
      page(blob("<Name>a/b</Name>") + blob("<Name Encoded=\"true\">%EF%BF</Name>") +
               "<BlobPrefix><Name>a/c/</Name></BlobPrefix>",
           "<NextMarker>2!next&amp;</NextMarker>"),
      "here");
  REQUIRE(found.objects.size() == 1);  // what is encoded was put there by somebody else
  CHECK(found.objects[0].key == "a/b");
  CHECK(found.objects[0].size_bytes == 17);
  CHECK(found.objects[0].modified == parse_utc("2026-11-21T01:02:03Z"));
  CHECK(found.folders == std::vector<std::string>{"a/c/"});
  CHECK(found.next_token == "2!next&");
  CHECK(parse_azure_page(page(""), "here").next_token.empty());
}

TEST_CASE("azure: a listing is complete or an error") {
  const auto told = [](const std::string& text) {
    return error_of([&] { parse_azure_page(text, "here"); });
  };
  CHECK_THAT(told(page(blob(""))), Says({"here", "unknown format"}));
  CHECK_THAT(told(page("<Blob><Name>a</Name></Blob>")), Says({"unknown format"}));
  CHECK_THAT(told(page(blob("<Name>a</Name>"), "")), Says({"whether it is complete"}));
  CHECK_THAT(told(page(blob("<Name>a</Name>", "<ResourceType>directory</ResourceType>"))),
             Says({"directory", "hierarchical namespace"}));
  CHECK_THROWS_AS(parse_azure_page(kBusy, "here"), TransientError);
  CHECK_THAT(told(kBusy), Says({"here answered 200 with an error: ServerBusy (too much)"}));
  const std::string whole = page(blob("<Name>a</Name>"));
  for (std::size_t length = 3; length < whole.size(); ++length)
    CHECK_THROWS_AS(parse_azure_page(whole.substr(0, length), "here"), Error);
}

TEST_CASE("azure: an error is its code and the first line of its message") {
  const StoreError error = parse_azure_error(kBusy);
  CHECK(error.code == "ServerBusy");
  CHECK(error.message == "too much");
  CHECK(parse_azure_error("").code.empty());
  CHECK(parse_azure_error("<html>Internal error").code.empty());
}

TEST_CASE("azure: a batch, and the answers to it in its order") {
  const AzureKeys keys{.sas = "sig=x"};
  const std::vector<StoreRequest> requests{{"DELETE", "/c/a", {}, {{"x-ms-date", "now"}}},
                                           {"DELETE", "/c/b"}};
  CHECK(azure_batch_body(requests, keys) ==
        "--batch-of-pgcairn\r\nContent-Type: application/http\r\n"
        "Content-Transfer-Encoding: binary\r\nContent-ID: 0\r\n\r\n"
        "DELETE /c/a?sig=x HTTP/1.1\r\nx-ms-date: now\r\nContent-Length: 0\r\n\r\n"
        "--batch-of-pgcairn\r\nContent-Type: application/http\r\n"
        "Content-Transfer-Encoding: binary\r\nContent-ID: 1\r\n\r\n"
        "DELETE /c/b?sig=x HTTP/1.1\r\nContent-Length: 0\r\n\r\n--batch-of-pgcairn--\r\n");
  CHECK(azure_batch_type() == "multipart/mixed; boundary=batch-of-pgcairn");

  const std::string type = "multipart/mixed; boundary=batchresponse_1";
  const auto part = [](std::string_view id, std::string_view answer) {
    return format("--batchresponse_1\r\nContent-Type: application/http\r\n{}\r\nHTTP/1.1 {}\r\n",
                  id, answer);
  };
  const std::string absent =
      part("Content-ID: 2\r\n",
           format("404 Not there\r\nx-ms-error-code: BlobNotFound\r\n\r\n{}", kBusy));
  const std::string gone = part("Content-ID: 0\r\n", "202 Accepted\r\nx-ms-request-id: 1\r\n");
  const std::string end = "--batchresponse_1--";
  const auto parts = parse_azure_batch(type, absent + gone + end, 3);
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].status == 202);
  CHECK(parts[1].status == 0);  // not answered
  CHECK(parts[2].status == 404);
  CHECK(parts[2].error.code == "BlobNotFound");
  CHECK(parts[2].error.message == "too much");

  SECTION("the batch as a whole is refused") {
    const std::string refused = part("", "403 No\r\nx-ms-error-code: AuthorizationFailure\r\n");
    for (const AzurePart& one : parse_azure_batch(type, refused + end, 2)) {
      CHECK(one.status == 403);
      CHECK(one.error.code == "AuthorizationFailure");
    }
  }
  SECTION("an answer that fits no request, or says that all is well, is none") {
    for (const char* id : {"Content-ID: 9\r\n", "Content-ID: x\r\n", ""}) {
      INFO(id);
      CHECK(parse_azure_batch(type, part(id, "202 Accepted\r\n") + end, 1)[0].status == 0);
    }
  }
}
