// Against the vectors that AWS publishes: the examples of "Signature Calculations for the
// Authorization Header" in the Amazon S3 API Reference, and of the general Signature Version 4
// suite.
#include "storage/s3/sigv4.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/digest.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;

namespace {

const S3Keys kKeys{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
const Timestamp kWhen = *parse_utc("2013-05-24T00:00:00Z");
const std::string kEmpty = hex(crypto::sha256({}));

SignedRequest request(std::string method, std::string path) {
  SignedRequest made;
  made.method = std::move(method);
  made.host = "examplebucket.s3.amazonaws.com";
  made.path = std::move(path);
  made.payload_hash = kEmpty;
  return made;
}

std::string signed_with(SignedRequest made) {
  sign(made, kKeys, "us-east-1", "s3", kWhen);
  const std::string& text = made.headers["authorization"];
  return text.substr(text.find("Signature=") + 10);
}

}  // namespace

TEST_CASE("sigv4: S3's published examples") {
  SECTION("GET object") {
    SignedRequest made = request("GET", "/test.txt");
    made.headers["range"] = "bytes=0-9";
    CHECK(signed_with(made) == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    sign(made, kKeys, "us-east-1", "s3", kWhen);
    CHECK(made.headers["authorization"] ==
          "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
          "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="
          "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  }
  SECTION("PUT object") {
    SignedRequest made = request("PUT", "/test$file.text");
    made.headers["date"] = "Fri, 24 May 2013 00:00:00 GMT";
    made.headers["x-amz-storage-class"] = "REDUCED_REDUNDANCY";
    made.payload_hash = hex(crypto::sha256(as_bytes("Welcome to Amazon S3.")));
    CHECK(signed_with(made) == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  }
  SECTION("GET bucket lifecycle") {
    SignedRequest made = request("GET", "/");
    made.query = {{"lifecycle", ""}};
    CHECK(signed_with(made) == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  }
  SECTION("list objects") {
    SignedRequest made = request("GET", "/");
    made.query = {{"prefix", "J"}, {"max-keys", "2"}};
    CHECK(signed_with(made) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
  }
}

TEST_CASE("sigv4: the general suite's canonical form") {
  SignedRequest made;
  made.method = "GET";
  made.path = "/";
  made.query = {{"Param2", "value2"}, {"Param1", "value1"}};
  made.headers = {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}};
  made.payload_hash = kEmpty;
  const std::string canonical = canonical_request(made);
  CHECK(canonical ==
        "GET\n/\nParam1=value1&Param2=value2\nhost:example.amazonaws.com\n"
        "x-amz-date:20150830T123600Z\n\nhost;x-amz-date\n" +
            kEmpty);
  CHECK(string_to_sign(canonical, "us-east-1", "service", *parse_utc("2015-08-30T12:36:00Z")) ==
        "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/service/aws4_request\n"
        "816cd5b414d056048ba4f7c5386d6e0533120fb1fcfa93762cf0fc39e2cf19e0");
}

TEST_CASE("sigv4: what is encoded, and how values are folded") {
  CHECK(uri_encode("/a b/c+d~e", false) == "/a%20b/c%2Bd~e");
  CHECK(uri_encode("/a\xc3\xa4", true) == "%2Fa%C3%A4");
  CHECK(canonical_query({{"b", "x/y"}, {"a", "1 2"}, {"a", "0"}}) == "a=0&a=1%202&b=x%2Fy");
  SignedRequest made = request("GET", "/");
  made.headers["x-amz-meta"] = "  a   b ";
  CHECK(canonical_request(made).find("x-amz-meta:a b\n") != std::string::npos);
}

TEST_CASE("sigv4: a session token is sent and signed") {
  SignedRequest made = request("GET", "/");
  S3Keys keys = kKeys;
  keys.session_token = "token";
  sign(made, keys, "us-east-1", "s3", kWhen);
  CHECK(made.headers["x-amz-security-token"] == "token");
  CHECK(made.headers["authorization"].find("x-amz-security-token") != std::string::npos);
}

TEST_CASE("digests that requests are signed with") {
  CHECK(hex(crypto::sha256(as_bytes("abc"))) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231, case 2; RFC 1321.
  CHECK(hex(crypto::hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex(crypto::md5(as_bytes("abc"))) == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(crypto::base64(as_bytes("")) == "");
  CHECK(crypto::base64(as_bytes("a")) == "YQ==");
  CHECK(crypto::base64(as_bytes("abc")) == "YWJj");
}
