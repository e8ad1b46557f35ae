#include "http/checksum.hpp"
#include "http/remote_driver.hpp"
#include "http/renewed_credentials.hpp"
#include "http/store_clock.hpp"
#include "s3/credentials.hpp"
#include "s3/sigv4.hpp"
#include "s3/xml.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/lower_case.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/digest.hpp>
#include <pgcairn/storage/drivers.hpp>
#include <pgcairn/storage/object_locked_error.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>

namespace pgcairn::storage {

namespace {

constexpr std::size_t kRemovedAtOnce = 1000;  // DeleteObjects' limit

/// Where the bucket is reached.
struct Address {
  std::string scheme;  // "https://"
  std::string host;    // with the port
  std::string path;    // of keys: "/" or "/bucket/"
};

Address address_of(const S3Settings& settings) {
  std::string endpoint = settings.endpoint;
  if (endpoint.empty()) endpoint = format("https://s3.{}.amazonaws.com", settings.region);
  const std::size_t scheme_end = endpoint.find("://");
  PGCAIRN_ASSERT(scheme_end != std::string::npos);
  const std::string scheme = endpoint.substr(0, scheme_end + 3);
  const std::string host = endpoint.substr(scheme_end + 3);
  if (settings.path_style) return {scheme, host, format("/{}/", settings.bucket)};
  return {scheme, format("{}.{}", settings.bucket, host), "/"};
}

std::string where_of(const S3Settings& settings, const Address& address) {
  return format("s3://{}/{} at {}{}", settings.bucket, settings.prefix, address.scheme,
                address.host);
}

class S3 final : public RemoteDriver {
 public:
  S3(S3Settings settings, std::filesystem::path kept_credentials);

 private:
  HttpResponse sign_and_send(const StoreRequest& request, Buffer body) override;
  StoreRequest get_request(std::string_view key) override {
    return object_request("GET", name_of(key));
  }
  StoreRequest stat_request(std::string_view key) override {
    return object_request("HEAD", name_of(key));
  }
  StoreRequest list_request(const std::string& name_prefix, const std::string& token) override;
  bool create(std::string_view key, Bytes body) override;
  void remove_batch(std::span<const std::string> keys) override;
  std::optional<StoreRequest> rules_request() override {
    return StoreRequest{"GET", address_.path, {{"lifecycle", ""}}};
  }

  StoreError error_of(const HttpResponse& response) const override {
    return parse_s3_error(as_text(response.body));
  }
  bool is_absent(const StoreRequest& request, const HttpResponse& response) override;
  bool is_temporary(int status, const StoreError& error) const override;
  std::string hint_of(const HttpResponse& response, const StoreError& error) override;
  ListedPage page_of(std::string_view text) const override { return parse_s3_page(text, where()); }
  std::vector<StoreRule> rules_of(const HttpResponse& response,
                                  std::string_view prefix) const override {
    return parse_s3_rules(as_text(response.body), prefix, settings_.tags);
  }

  StoreRequest object_request(const std::string& method, const std::string& name);
  HttpResponse send_with_checksum(StoreRequest request);
  void add_customer_key(std::map<std::string, std::string>& headers);
  std::exception_ptr not_removed(const std::vector<S3NotRemoved>& left, std::size_t asked);

  S3Settings settings_;
  Address address_;
  HttpClient http_;
  StoreClock clock_;
  RenewedCredentials<S3Keys> keys_;
  std::atomic<bool> bucket_seen_ = false;
  std::atomic<bool> wants_md5_ = false;
  std::once_flag customer_key_read_;
  std::string customer_key_;  // base64
  std::string customer_key_md5_;
};

S3::S3(S3Settings settings, std::filesystem::path kept_credentials)
    : RemoteDriver({settings.prefix, where_of(settings, address_of(settings)), "x-amz-request-id",
                    kRemovedAtOnce}),
      settings_(std::move(settings)),
      address_(address_of(settings_)),
      http_(http_settings(settings_.network)),
      clock_(where()),
      keys_(
          "credentials for S3", [this] { return find_s3_keys(settings_, system_sources()); },
          CredentialCache(std::move(kept_credentials), s3_keys_found_by(settings_))) {}

HttpResponse S3::sign_and_send(const StoreRequest& request, Buffer body) {
  SignedRequest unsigned_request;
  unsigned_request.method = request.method;
  unsigned_request.host = address_.host;
  unsigned_request.path = request.path;
  unsigned_request.query = request.query;
  unsigned_request.headers = request.headers;
  unsigned_request.payload_hash = hex(crypto::sha256(request.body));
  if (settings_.requester_pays) unsigned_request.headers["x-amz-request-payer"] = "requester";
  const std::string query = canonical_query(request.query);
  HttpRequest sent =
      addressed(request, format("{}{}{}{}{}", address_.scheme, address_.host,
                                uri_encode(request.path, false), query.empty() ? "" : "?", query));
  HttpResponse response = keys_.send([&](const S3Keys& keys) {
    return clock_.send([&](Timestamp when) {
      SignedRequest signed_request = unsigned_request;
      sign(signed_request, keys, settings_.region, "s3", when);
      sent.headers = std::move(signed_request.headers);
      return http_.send(sent, std::move(body));
    });
  });
  bucket_seen_ = bucket_seen_ || response.status / 100 == 2;
  return response;
}

bool S3::is_temporary(int /*status*/, const StoreError& error) const {
  // Keys that were good until now are being rotated: others come.
  const bool withdrawn = error.code == "ExpiredToken" || error.code == "InvalidAccessKeyId" ||
                         error.code == "InvalidToken" || error.code == "TokenRefreshRequired";
  return error.code == "RequestTimeout" || error.code == "SlowDown" ||
         error.code == "ConditionalRequestConflict" || error.code == "BadDigest" ||
         (withdrawn && bucket_seen_);
}

std::string S3::hint_of(const HttpResponse& response, const StoreError& error) {
  const int status = response.status;
  if (status == 501) {
    return "this store lacks create-only writes (If-None-Match), without which two commands would "
           "destroy each other's backups: use one that has them (Backblaze B2 does not)";
  }
  if (status == 301 || error.code == "AuthorizationHeaderMalformed")
    return "check s3-region and s3-endpoint: the bucket is in another region";
  if (error.code == "RequestTimeTooSkewed") return "set this machine's clock";
  if (error.code == "SignatureDoesNotMatch" || error.code == "InvalidAccessKeyId")
    return "check the access key and its secret";
  if (error.code == "AccessDenied")
    return "these credentials need ListBucket, GetObject and PutObject, expire also DeleteObject";
  if (error.code == "NoSuchBucket") return "create the bucket first; pgcairn does not";
  return {};
}

/// What the store encrypts and decrypts with has to come with each request.
void S3::add_customer_key(std::map<std::string, std::string>& headers) {
  if (settings_.customer_key_file.empty()) return;
  std::call_once(customer_key_read_, [&] {
    constexpr std::size_t key_bytes = 32;
    const Buffer key = read_file(settings_.customer_key_file, kKiB);
    if (key.size() != key_bytes) {
      throw UsageError(
          format("s3-sse-customer-key-file \"{}\" has {} bytes instead of {}",
                 settings_.customer_key_file.native(), key.size(), key_bytes),
          "make one with \"openssl rand 32\", and keep a copy: nothing can be read without it");
    }
    customer_key_ = crypto::base64(key);
    customer_key_md5_ = crypto::base64(crypto::md5(key));
  });
  headers["x-amz-server-side-encryption-customer-algorithm"] = "AES256";
  headers["x-amz-server-side-encryption-customer-key"] = customer_key_;
  headers["x-amz-server-side-encryption-customer-key-md5"] = customer_key_md5_;
}

StoreRequest S3::object_request(const std::string& method, const std::string& name) {
  StoreRequest request{method, address_.path + name};
  add_customer_key(request.headers);
  return request;
}

/// Does the store want another checksum than it got?
bool wants_other_checksum(int status, const StoreError& error) {
  const std::string words = lower_case(error.code + " " + error.message);
  const auto say = [&](std::string_view one) { return words.find(one) != std::string::npos; };
  return (status == 400 || status == 501) && error.code != "BadDigest" &&
         (say("checksum") || say("md5"));
}

/// Some requests need a checksum of their body, such as a PUT into a bucket with Object Lock
/// (docs.aws.amazon.com, "PutObject"). Stores that do not know CRC-32C ask for MD5, which is not
/// used otherwise: it is missing where FIPS 140 is enforced.
HttpResponse S3::send_with_checksum(StoreRequest request) {
  constexpr const char* crc32c = "x-amz-checksum-crc32c";
  if (!wants_md5_) {
    request.headers[crc32c] = crc32c_text(request.body);
    HttpResponse response = send(request);
    if (!wants_other_checksum(response.status, error_of(response))) return response;
    wants_md5_ = true;
    request.headers.erase(crc32c);
  }
  request.headers["content-md5"] = crypto::base64(crypto::md5(request.body));
  return send(request);
}

bool S3::create(std::string_view key, Bytes body) {
  StoreRequest request = object_request("PUT", name_of(key));
  request.body = body;
  request.headers["if-none-match"] = "*";
  if (!settings_.storage_class.empty())
    request.headers["x-amz-storage-class"] = settings_.storage_class;
  if (!settings_.encryption.empty())
    request.headers["x-amz-server-side-encryption"] = settings_.encryption;
  if (!settings_.tags.empty()) request.headers["x-amz-tagging"] = canonical_query(settings_.tags);
  if (!settings_.kms_key.empty())
    request.headers["x-amz-server-side-encryption-aws-kms-key-id"] = settings_.kms_key;
  const HttpResponse response = send_with_checksum(std::move(request));
  if (response.status == 200) return true;
  if (response.status != 412) fail(format("creating \"{}\"", key), response);
  return false;
}

/// An answer without words, as the one to HEAD, may mean that there is no such bucket.
bool S3::is_absent(const StoreRequest& request, const HttpResponse& response) {
  if (response.status != 404) return false;
  if (request.method != "HEAD") return error_of(response).code == "NoSuchKey";
  if (!bucket_seen_) require_bucket();
  return true;
}

StoreRequest S3::list_request(const std::string& name_prefix, const std::string& token) {
  StoreRequest request{"GET", address_.path};
  request.query = {{"list-type", "2"}, {"prefix", name_prefix}};
  if (!token.empty()) request.query.emplace_back("continuation-token", token);
  return request;
}

void S3::remove_batch(std::span<const std::string> keys) {
  std::string body = "<Delete><Quiet>true</Quiet>";
  // Keys need no escapes: check_key() has looked at them, and at the prefix.
  for (const std::string& key : keys)
    body += format("<Object><Key>{}</Key></Object>", name_of(key));
  body += "</Delete>";
  StoreRequest request{"POST", address_.path};
  request.query = {{"delete", ""}};
  request.headers["content-type"] = "application/xml";
  request.body = as_bytes(body);
  const HttpResponse response = send_with_checksum(std::move(request));
  if (response.status != 200) fail(format("removing {} objects", keys.size()), response);
  const auto left = parse_s3_delete(as_text(response.body), where());
  if (!left.empty()) std::rethrow_exception(not_removed(left, keys.size()));
}

/// Kept by the store, or a failure.
std::exception_ptr S3::not_removed(const std::vector<S3NotRemoved>& left, std::size_t asked) {
  const auto& [name, error] = left.front();
  const std::string message =
      format("removing \"{}\" in {} failed: {} ({}); {} of {} objects are not removed", name,
             where(), error.code, error.message, left.size(), asked);
  const auto denied = [](const S3NotRemoved& one) { return one.error.code == "AccessDenied"; };
  if (!std::all_of(left.begin(), left.end(), denied))
    return std::make_exception_ptr(Error(message));
  // Some stores refuse instead of hiding an object that is locked; the object tells.
  const HttpResponse locked = send(object_request("HEAD", name));
  const auto until = parse_utc(locked.header("x-amz-object-lock-retain-until-date"));
  if (until || locked.header("x-amz-object-lock-legal-hold") == "ON")
    return std::make_exception_ptr(ObjectLockedError(message, until));
  return std::make_exception_ptr(
      Error(message, "these credentials need DeleteObject to expire backups"));
}

}  // namespace

std::unique_ptr<Driver> make_s3(S3Settings settings, std::filesystem::path kept_credentials) {
  return std::make_unique<S3>(std::move(settings), std::move(kept_credentials));
}

}  // namespace pgcairn::storage
