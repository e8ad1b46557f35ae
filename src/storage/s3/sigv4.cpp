#include "s3/sigv4.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/digest.hpp>

#include <algorithm>

namespace pgcairn::storage {

namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

/// "20261121" and "20261121T010203Z".
std::string day_of(Timestamp when) {
  return format_label_time(when).substr(0, 8);
}
std::string time_of(Timestamp when) {
  std::string text = format_label_time(when);
  text[8] = 'T';
  return text + "Z";
}

std::string scope_of(std::string_view region, std::string_view service, Timestamp when) {
  return format("{}/{}/{}/aws4_request", day_of(when), region, service);
}

std::string signed_names(const SignedRequest& request) {
  std::string names = "";
  for (const auto& [name, value] : request.headers)
    names += format("{}{}", names.empty() ? "" : ";", name);
  return names;
}

/// Runs of blanks count as one.
std::string canonical_value(std::string_view value) {
  std::string text;
  for (const char c : trim(value)) {
    if (c == ' ' && text.ends_with(' ')) continue;
    text += c;
  }
  return text;
}

std::string signature(const S3Keys& keys, std::string_view region, std::string_view service,
                      Timestamp when, std::string_view text) {
  crypto::Sha256 key =
      crypto::hmac_sha256(as_bytes("AWS4" + keys.secret_key), as_bytes(day_of(when)));
  key = crypto::hmac_sha256(key, as_bytes(region));
  key = crypto::hmac_sha256(key, as_bytes(service));
  key = crypto::hmac_sha256(key, as_bytes("aws4_request"));
  return hex(crypto::hmac_sha256(key, as_bytes(text)));
}

}  // namespace

std::string canonical_request(const SignedRequest& request) {
  std::string text = format("{}\n{}\n{}\n", request.method, uri_encode(request.path, false),
                            canonical_query(request.query));
  for (const auto& [name, value] : request.headers)
    text += format("{}:{}\n", name, canonical_value(value));
  return text + format("\n{}\n{}", signed_names(request), request.payload_hash);
}

std::string string_to_sign(std::string_view canonical, std::string_view region,
                           std::string_view service, Timestamp when) {
  return format("{}\n{}\n{}\n{}", kAlgorithm, time_of(when), scope_of(region, service, when),
                hex(crypto::sha256(as_bytes(canonical))));
}

void sign(SignedRequest& request, const S3Keys& keys, std::string_view region,
          std::string_view service, Timestamp when) {
  request.headers["host"] = request.host;
  request.headers["x-amz-date"] = time_of(when);
  request.headers["x-amz-content-sha256"] = request.payload_hash;
  if (!keys.session_token.empty()) request.headers["x-amz-security-token"] = keys.session_token;
  const std::string text = string_to_sign(canonical_request(request), region, service, when);
  const std::string names = signed_names(request);
  request.headers["authorization"] =
      format("{} Credential={}/{},SignedHeaders={},Signature={}", kAlgorithm, keys.access_key,
             scope_of(region, service, when), names, signature(keys, region, service, when, text));
}

}  // namespace pgcairn::storage
