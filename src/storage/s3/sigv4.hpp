#pragma once

#include "http/uri.hpp"

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/time.hpp>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgcairn::storage {

// AWS Signature Version 4 (docs.aws.amazon.com, "Create a signed AWS API request"). Pure.

/// Who signs. `session_token` is empty for keys that last.
struct S3Keys {
  std::string access_key;
  std::string secret_key;
  std::string session_token;
};
inline std::vector<std::string*> words_of(S3Keys& keys) {
  return {&keys.access_key, &keys.secret_key, &keys.session_token};
}

struct SignedRequest {
  std::string method;
  std::string host;  // with the port when it is not the scheme's own
  std::string path;  // not encoded, begins with '/'
  std::vector<std::pair<std::string, std::string>> query;  // not encoded
  std::map<std::string, std::string> headers;              // names in lower case
  std::string payload_hash;                                // SHA-256, hexadecimal
};

/// Adds x-amz-date, x-amz-content-sha256, x-amz-security-token (if there is one) and authorization
/// to the headers. All headers are signed.
void sign(SignedRequest& request, const S3Keys& keys, std::string_view region,
          std::string_view service, Timestamp when);

/// The parts, for tests against the published vectors.
std::string canonical_request(const SignedRequest& request);
std::string string_to_sign(std::string_view canonical, std::string_view region,
                           std::string_view service, Timestamp when);

}  // namespace pgcairn::storage
