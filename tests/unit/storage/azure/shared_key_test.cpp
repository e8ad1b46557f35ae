// Against the examples of "Authorize with Shared Key" in Microsoft's reference. It prints strings
// to sign; the signature below is one of them with the published key of the storage emulator.
#include "storage/azure/shared_key.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/digest.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;

namespace {

const Timestamp kWhen = *parse_utc("2015-06-26T23:39:12Z");
constexpr const char* kEmulatorKey =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

StoreRequest metadata_of_container() {
  return {"GET",
          "/mycontainer",
          {{"restype", "container"}, {"comp", "metadata"}, {"timeout", "20"}},
          {{"x-ms-version", "2015-02-21"}, {"x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT"}}};
}

}  // namespace

TEST_CASE("azure: what Shared Key signs, by the published examples") {
  CHECK(azure_string_to_sign(metadata_of_container(), "myaccount") ==
        "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
        "x-ms-version:2015-02-21\n/myaccount/mycontainer\ncomp:metadata\nrestype:container\n"
        "timeout:20");
  // A length of zero is an empty line.
  StoreRequest made = metadata_of_container();
  made.method = "PUT";
  made.query = {{"restype", "container"}, {"timeout", "30"}};
  CHECK(azure_string_to_sign(made, "myaccount") ==
        "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\n"
        "x-ms-version:2015-02-21\n/myaccount/mycontainer\nrestype:container\ntimeout:30");
}

TEST_CASE("azure: every header that Shared Key signs has its line") {
  const std::string body = "hello";
  StoreRequest made{"PUT", "/c/a/b", {}, {}, as_bytes(body)};
  made.headers = {{"content-md5", "MD5"},         {"content-type", "type"},
                  {"if-none-match", "*"},         {"range", "bytes=0-9"},
                  {"host", "unsigned"},           {"x-ms-blob-type", "BlockBlob"},
                  {"if-match", "etag"},           {"date", "day"},
                  {"content-encoding", "gz"},     {"content-language", "de"},
                  {"if-modified-since", "since"}, {"if-unmodified-since", "until"}};
  CHECK(azure_string_to_sign(made, "account") ==
        "PUT\ngz\nde\n5\nMD5\ntype\nday\nsince\netag\n*\nuntil\nbytes=0-9\n"
        "x-ms-blob-type:BlockBlob\n/account/c/a/b");
}

TEST_CASE("azure: an account key signs") {
  StoreRequest made = metadata_of_container();
  made.headers.erase("x-ms-date");
  AzureKeys keys;
  keys.account_key = as_text(*crypto::parse_base64(kEmulatorKey));
  authorize(made, "devstoreaccount1", keys, kWhen);
  CHECK(made.headers["x-ms-date"] == "Fri, 26 Jun 2015 23:39:12 GMT");
  CHECK(made.headers["authorization"] ==
        "SharedKey devstoreaccount1:NpSCSjvDEU2u4o4Lo6MDCJInwPAoMzWC8rMVmx3r3aA=");
  CHECK(azure_target(made, keys) == "/mycontainer?comp=metadata&restype=container&timeout=20");
}

TEST_CASE("azure: a token is a header, a shared access signature a part of the address") {
  StoreRequest made = metadata_of_container();
  authorize(made, "account", {.token = "a.b.c"}, kWhen);
  CHECK(made.headers["authorization"] == "Bearer a.b.c");

  const AzureKeys sas{.sas = "sv=2021-12-02&sig=a%2Bb%3D"};
  StoreRequest blob{"GET", "/c/a/b"};
  authorize(blob, "account", sas, kWhen);
  CHECK_FALSE(blob.headers.contains("authorization"));
  CHECK(azure_target(blob, sas) == "/c/a/b?sv=2021-12-02&sig=a%2Bb%3D");
  blob.query = {{"prefix", "a/b"}};
  CHECK(azure_target(blob, sas) == "/c/a/b?prefix=a%2Fb&sv=2021-12-02&sig=a%2Bb%3D");
}
