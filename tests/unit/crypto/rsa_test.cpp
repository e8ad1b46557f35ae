#include "support/rsa_key.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/crypto/digest.hpp>
#include <pgcairn/crypto/rsa.hpp>

#include <algorithm>
#include <string>

#include <catch2/catch.hpp>

using namespace pgcairn;

namespace {

// RFC 7515, appendix A.2: what is signed with its key, and the signature.
const std::string kSigned =
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
    "LmNvbS9pc19yb290Ijp0cnVlfQ";
const std::string kSignature =
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
    "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIA"
    "RNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPq"
    "vhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77"
    "Rw";
/// Base64 in the alphabet of JSON Web Tokens.
std::string base64_url(Bytes bytes) {
  std::string text = crypto::base64(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

}  // namespace

TEST_CASE("rs256: the example of RFC 7515") {
  CHECK(base64_url(crypto::sign_rs256(test::kPublishedRsaKey, as_bytes(kSigned))) == kSignature);
  CHECK(base64_url(crypto::sign_rs256(test::kPublishedRsaKey, as_bytes(kSigned + "x"))) !=
        kSignature);
}

TEST_CASE("rs256: what is no RSA key is refused without a word of it") {
  const std::string elliptic =
      "-----BEGIN PRIVATE KEY-----\n"
      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgheiz91y03iA/kn5G\n"
      "0lV7+cGmvhI/yVqxh9HeL48+qoShRANCAASwZ1C1GBMXU8DrLtG6/npsb24xSpVQ\n"
      "pgjzVp/w1IaRdEHvpd+W3VWsl+Cp4q5Mr3tVN8KdMpHysBJkA68akjl/\n"
      "-----END PRIVATE KEY-----\n";
  for (const std::string& text :
       {std::string(), std::string("no key"), elliptic,
        test::kPublishedRsaKey.substr(0, test::kPublishedRsaKey.size() / 2)}) {
    try {
      crypto::sign_rs256(text, as_bytes("x"));
      FAIL("signed with it");
    } catch (const Error& error) {
      CHECK(error.render() == "the private key is not an RSA key in PEM text");
    }
  }
}
