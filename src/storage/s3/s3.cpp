#include "http/answer.hpp"
#include "http/paged_listing.hpp"
#include "http/ranged_get.hpp"
#include "key.hpp"
#include "s3/credentials.hpp"
#include "s3/sigv4.hpp"
#include "s3/xml.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
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
constexpr unsigned kConnections = 16;
constexpr std::uint64_t kMostAnswerBytes = 16 * kMiB;  // a page of a listing has 1000 keys

using Query = std::vector<std::pair<std::string, std::string>>;

class S3 final : public Driver {
 public:
  S3(S3Settings settings, std::filesystem::path kept_credentials);

  std::string describe() const override { return where_; }
  Features features() const override {
    return {.create_only = true, .strong_listing = true, .connections = kConnections};
  }
  bool put(std::string_view key, Bytes body, IfExists if_exists) override;
  bool get(std::string_view key, Range range, Buffer& out) override;
  std::optional<Object> stat(std::string_view key) override;
  void list(std::string_view prefix, const std::function<void(const Object&)>& visit) override;
  std::vector<std::string> folders(std::string_view prefix) override;
  void remove(std::span<const std::string> keys) override;

 private:
  struct Call {
    std::string method;
    std::string path;  // of the bucket, or of an object in it
    Query query{};
    std::map<std::string, std::string> headers{};
    Bytes body{};
    std::uint64_t most_body_bytes = kMostAnswerBytes;
  };
  HttpResponse send(const Call& call, Buffer body = {});
  [[noreturn]] void fail(const std::string& what, const HttpResponse& response);
  std::string path_of(std::string_view key) const {
    return base_path_ + settings_.prefix + std::string(key);
  }
  void require_bucket();
  void add_customer_key(std::map<std::string, std::string>& headers);
  std::exception_ptr not_removed(const std::vector<S3Error>& errors, std::size_t asked);
  FetchPage pages_of(std::string_view prefix, bool by_folder);
  void remove_batch(std::span<const std::string> keys);

  S3Settings settings_;
  HttpClient http_;
  RenewedCredentials<S3Keys> keys_;
  std::string scheme_;
  std::string host_;       // with the port
  std::string base_path_;  // of keys: "/" or "/bucket/"
  std::string where_;
  std::atomic<bool> bucket_seen_ = false;
  std::once_flag customer_key_read_;
  std::string customer_key_;  // base64
  std::string customer_key_md5_;
};

S3::S3(S3Settings settings, std::filesystem::path kept_credentials)
    : settings_(std::move(settings)),
      http_(http_settings(settings_.network)),
      keys_(
          "credentials for S3", [this] { return find_s3_keys(settings_, system_sources()); },
          CredentialCache(std::move(kept_credentials), s3_keys_found_by(settings_))) {
  std::string endpoint = settings_.endpoint;
  if (endpoint.empty()) endpoint = format("https://s3.{}.amazonaws.com", settings_.region);
  const std::size_t scheme_end = endpoint.find("://");
  PGCAIRN_ASSERT(scheme_end != std::string::npos);
  scheme_ = endpoint.substr(0, scheme_end + 3);
  host_ = endpoint.substr(scheme_end + 3);
  base_path_ = "/";
  if (settings_.path_style) {
    base_path_ = format("/{}/", settings_.bucket);
  } else {
    host_ = format("{}.{}", settings_.bucket, host_);
  }
  where_ = format("s3://{}/{} at {}{}", settings_.bucket, settings_.prefix, scheme_, host_);
}

HttpResponse S3::send(const Call& call, Buffer body) {
  SignedRequest unsigned_request;
  unsigned_request.method = call.method;
  unsigned_request.host = host_;
  unsigned_request.path = call.path;
  unsigned_request.query = call.query;
  unsigned_request.headers = call.headers;
  unsigned_request.payload_hash = hex(crypto::sha256(call.body));
  if (settings_.requester_pays) unsigned_request.headers["x-amz-request-payer"] = "requester";
  const std::string query = canonical_query(call.query);
  HttpRequest request;
  request.method = call.method;
  request.url = format("{}{}{}{}{}", scheme_, host_, uri_encode(call.path, false),
                       query.empty() ? "" : "?", query);
  request.body = call.body;
  request.most_body_bytes = call.most_body_bytes;
  HttpResponse response = keys_.send([&](const S3Keys& keys) {
    SignedRequest signed_request = unsigned_request;
    sign(signed_request, keys, settings_.region, "s3", now());
    request.headers = std::move(signed_request.headers);
    return http_.send(request, std::move(body));
  });
  bucket_seen_ = bucket_seen_ || response.status / 100 == 2;
  return response;
}

/// What the store said, as the error that it is.
void S3::fail(const std::string& what, const HttpResponse& response) {
  const S3Error error = parse_s3_error(as_text(response.body));
  const int status = response.status;
  std::string message =
      format("{} in {} failed: {}{}{}{}", what, where_, status, error.code.empty() ? "" : " ",
             error.code, error.message.empty() ? "" : format(" ({})", error.message));
  const std::string id = response.header("x-amz-request-id");
  if (!id.empty()) message += format(", request {}", id);
  if (may_pass(status) || error.code == "RequestTimeout" || error.code == "SlowDown" ||
      error.code == "ConditionalRequestConflict")
    throw_transient(response, message);
  std::string hint;
  if (error.code == "RequestTimeTooSkewed") hint = "set this machine's clock";
  if (error.code == "SignatureDoesNotMatch" || error.code == "InvalidAccessKeyId")
    hint = "check the access key and its secret";
  if (error.code == "AccessDenied")
    hint = "these credentials need ListBucket, GetObject and PutObject, expire also DeleteObject";
  if (error.code == "NoSuchBucket") hint = "create the bucket first; pgcairn does not";
  if (status == 301 || error.code == "AuthorizationHeaderMalformed")
    hint = "check s3-region and s3-endpoint: the bucket is in another region";
  if (status == 501) hint = "this store lacks create-only writes (If-None-Match), which are needed";
  throw Error(message, hint);
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

bool S3::put(std::string_view key, Bytes body, IfExists if_exists) {
  check_key(key);
  Call call{"PUT", path_of(key)};
  call.body = body;
  call.headers["if-none-match"] = "*";
  if (!settings_.storage_class.empty())
    call.headers["x-amz-storage-class"] = settings_.storage_class;
  if (!settings_.encryption.empty())
    call.headers["x-amz-server-side-encryption"] = settings_.encryption;
  if (!settings_.tags.empty()) call.headers["x-amz-tagging"] = canonical_query(settings_.tags);
  add_customer_key(call.headers);
  if (!settings_.kms_key.empty())
    call.headers["x-amz-server-side-encryption-aws-kms-key-id"] = settings_.kms_key;
  const HttpResponse response = send(call);
  if (response.status == 200) return true;
  if (response.status != 412) fail(format("creating \"{}\"", key), response);
  if (if_exists == IfExists::keep) return false;
  throw ConflictError(format("cannot create \"{}\" in {}: it exists already", key, where_));
}

bool S3::get(std::string_view key, Range range, Buffer& out) {
  check_key(key);
  Call call{"GET", path_of(key)};
  const RangedGet part(range);
  call.most_body_bytes = part.most_body_bytes();
  add_customer_key(call.headers);
  if (const std::string header = part.header(); !header.empty()) call.headers["range"] = header;
  HttpResponse response = send(call, std::move(out));
  out.clear();
  if (response.status == 404 && parse_s3_error(as_text(response.body)).code == "NoSuchKey")
    return false;
  if (!part.is_answer(response.status)) fail(format("reading \"{}\"", key), response);
  if (part.has_no_bytes(response.status)) return true;
  out = std::move(response.body);
  if (!part.is_whole(response, out.size()))
    throw TransientError(format("the answer with \"{}\" from {} is incomplete", key, where_));
  return true;
}

/// An answer of 404 without words may mean that there is no such bucket.
void S3::require_bucket() {
  if (bucket_seen_) return;
  pages_of("", true)("");
}

std::optional<Object> S3::stat(std::string_view key) {
  check_key(key);
  Call call{"HEAD", path_of(key)};
  add_customer_key(call.headers);
  const HttpResponse response = send(call);
  if (response.status == 404) {
    require_bucket();
    return std::nullopt;
  }
  if (response.status != 200) fail(format("looking for \"{}\"", key), response);
  const auto size = parse_u64(response.header("content-length"));
  const auto modified = parse_http_date(response.header("last-modified"));
  if (!size || !modified)
    throw Error(format("the answer about \"{}\" from {} has an unknown format", key, where_));
  return Object{std::string(key), *size, *modified};
}

FetchPage S3::pages_of(std::string_view prefix, bool by_folder) {
  return [this, prefix, by_folder](const std::string& token) {
    Call call{"GET", base_path_};
    call.query = {{"list-type", "2"}, {"prefix", settings_.prefix + std::string(prefix)}};
    if (!token.empty()) call.query.emplace_back("continuation-token", token);
    if (by_folder) call.query.emplace_back("delimiter", "/");
    const HttpResponse response = send(call);
    if (response.status != 200) fail(format("listing \"{}\"", prefix), response);
    return parse_s3_page(as_text(response.body), where_);
  };
}

void S3::list(std::string_view prefix, const std::function<void(const Object&)>& visit) {
  check_prefix(prefix);
  visit_pages(pages_of(prefix, false), settings_.prefix, where_, visit);
}

std::vector<std::string> S3::folders(std::string_view prefix) {
  check_folder(prefix);
  return folders_of_pages(pages_of(prefix, true), settings_.prefix + std::string(prefix), where_);
}

void S3::remove(std::span<const std::string> keys) {
  for (const std::string& key : keys) check_key(key);
  remove_in_batches(keys, kRemovedAtOnce,
                    [this](std::span<const std::string> some) { remove_batch(some); });
}

void S3::remove_batch(std::span<const std::string> keys) {
  std::string body = "<Delete><Quiet>true</Quiet>";
  // Keys need no escapes: check_key() has looked at them, and at the prefix.
  for (const std::string& key : keys)
    body += format("<Object><Key>{}{}</Key></Object>", settings_.prefix, key);
  body += "</Delete>";
  Call call{"POST", base_path_};
  call.query = {{"delete", ""}};
  call.headers["content-md5"] = crypto::base64(crypto::md5(as_bytes(body)));
  call.headers["content-type"] = "application/xml";
  call.body = as_bytes(body);
  const HttpResponse response = send(call);
  if (response.status != 200) fail(format("removing {} objects", keys.size()), response);
  const auto errors = parse_s3_delete(as_text(response.body), where_);
  if (errors.empty()) return;
  std::rethrow_exception(not_removed(errors, keys.size()));
}

/// Kept by the store, or a failure.
std::exception_ptr S3::not_removed(const std::vector<S3Error>& errors, std::size_t asked) {
  const S3Error& first = errors.front();
  const std::string message =
      format("removing \"{}\" in {} failed: {} ({}); {} of {} objects are not removed", first.key,
             where_, first.code, first.message, errors.size(), asked);
  const auto denied = [](const S3Error& error) { return error.code == "AccessDenied"; };
  if (!std::all_of(errors.begin(), errors.end(), denied))
    return std::make_exception_ptr(Error(message));
  // Some stores refuse instead of hiding an object that is locked; the object tells.
  Call call{"HEAD", base_path_ + first.key};
  add_customer_key(call.headers);
  const HttpResponse locked = send(call);
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
