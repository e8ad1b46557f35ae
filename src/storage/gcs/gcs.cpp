#include "gcs/json.hpp"
#include "gcs/oauth.hpp"
#include "http/answer.hpp"
#include "http/batch.hpp"
#include "http/paged_listing.hpp"
#include "http/ranged_get.hpp"
#include "http/uri.hpp"
#include "key.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/digest.hpp>
#include <pgcairn/storage/drivers.hpp>
#include <pgcairn/storage/object_locked_error.hpp>

#include <array>
#include <atomic>

namespace pgcairn::storage {

namespace {

constexpr std::size_t kRemovedAtOnce = 100;  // the limit of a batch
constexpr unsigned kConnections = 16;
constexpr std::uint64_t kMostAnswerBytes = 16 * kMiB;  // a page of a listing has 1000 names
constexpr std::chrono::minutes kMostSkew{5};           // between this machine's clock and Google's
constexpr const char* kBatchBoundary = "calls-of-a-batch";  // no line of a call begins with it

using Query = std::vector<std::pair<std::string, std::string>>;

/// CRC-32C as the store writes it: base64 of the number, the highest byte first.
std::string crc32c_text(Bytes bytes) {
  const std::uint32_t crc = crc32c(bytes);
  std::array<std::byte, sizeof crc> big_endian{};
  for (std::size_t at = 0; at < big_endian.size(); ++at)
    big_endian[at] = static_cast<std::byte>(crc >> (8 * (big_endian.size() - 1 - at)));
  return crypto::base64(big_endian);
}

/// The CRC-32C of the whole object in "crc32c=AAAAAA==, md5=..."; empty: it is not there.
std::string crc32c_in(std::string_view hashes) {
  constexpr std::string_view name = "crc32c=";
  const std::size_t at = hashes.find(name);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = hashes.substr(at + name.size());
  return std::string(trim(rest.substr(0, rest.find(','))));
}

class Gcs final : public Driver {
 public:
  Gcs(GcsSettings settings, std::filesystem::path kept_credentials);

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
    std::string path;  // encoded
    Query query{};
    std::map<std::string, std::string> headers{};
    Bytes body{};
    std::uint64_t most_body_bytes = kMostAnswerBytes;
    Bytes before_body{};
    Bytes after_body{};
  };
  HttpResponse send(const Call& call, Buffer body = {});
  [[noreturn]] void fail(const std::string& what, const HttpResponse& response);
  std::string hint_of(int status, const GcsError& error, const std::string& date) const;
  /// The parameters of a call that is about the bucket.
  Query of_bucket(Query query) const {
    if (!settings_.user_project.empty()) query.emplace_back("userProject", settings_.user_project);
    return query;
  }
  std::string name_of(std::string_view key) const { return settings_.prefix + std::string(key); }
  std::string path_of(std::string_view key) const {
    return format("{}/{}", objects_path_, uri_encode(name_of(key), true));
  }
  bool is_absent(int status, std::string_view body);
  ListedPage page(std::string_view prefix, const std::string& token, bool by_folder);
  void remove_batch(std::span<const std::string> keys);
  void check_removed(std::span<const std::string> keys, std::span<const BatchedAnswer> answers);
  [[noreturn]] void fail_kept(const std::string& key, const std::string& message);

  GcsSettings settings_;
  HttpClient http_;
  RenewedCredentials<std::string> token_;
  std::string objects_path_;  // "/storage/v1/b/bucket/o"
  std::string where_;
  std::atomic<bool> bucket_seen_ = false;
};

Gcs::Gcs(GcsSettings settings, std::filesystem::path kept_credentials)
    : settings_(std::move(settings)),
      http_(http_settings(settings_.network)),
      token_(
          "the token for Google Cloud Storage",
          [this] {
            const auto ask = [this](const HttpRequest& request) { return http_.send(request); };
            return find_gcs_token(settings_, {system_sources(), ask}, now());
          },
          CredentialCache(std::move(kept_credentials), gcs_token_found_by(settings_))) {
  objects_path_ = format("/storage/v1/b/{}/o", uri_encode(settings_.bucket, true));
  where_ = format("gs://{}/{} at {}", settings_.bucket, settings_.prefix, settings_.endpoint);
}

HttpResponse Gcs::send(const Call& call, Buffer body) {
  const std::string query = canonical_query(call.query);
  HttpRequest request;
  request.method = call.method;
  request.url = format("{}{}{}{}", settings_.endpoint, call.path, query.empty() ? "" : "?", query);
  request.headers = call.headers;
  request.body = call.body;
  request.before_body = call.before_body;
  request.after_body = call.after_body;
  request.most_body_bytes = call.most_body_bytes;
  return token_.send([&](const std::string& token) {
    request.headers["authorization"] = "Bearer " + token;
    return http_.send(request, std::move(body));
  });
}

std::string in_words(int status, const GcsError& error) {
  return format("{}{}{}{}", status, error.reason.empty() ? "" : " ", error.reason,
                error.message.empty() ? "" : format(" ({})", error.message));
}

std::string Gcs::hint_of(int status, const GcsError& error, const std::string& date) const {
  const auto says = [&](std::string_view word) {
    return error.message.find(word) != std::string::npos;
  };
  if (status == 401) {
    const auto theirs = parse_http_date(date);
    if (theirs && std::chrono::abs(*theirs - now()) > kMostSkew) return "set this machine's clock";
    if (!settings_.token.empty()) return "gcs-token is valid for an hour at most: use gcs-key-file";
    return "check the credentials: the token is invalid or has expired";
  }
  if (says("requester pays") || says("user project"))
    return "name the project that pays with gcs-user-project";
  if (error.reason == "insufficientPermissions" || says("scopes"))
    return "the token's access scopes need devstorage.read_write, or cloud-platform";
  if (error.reason == "accountDisabled" || says("billing"))
    return "enable billing of the project that the bucket is in";
  if (status == 403 && says("KMS"))
    return "Cloud Storage's service agent needs the role Cloud KMS CryptoKey Encrypter/Decrypter";
  if (status == 403)
    return "the account needs the role Storage Object User on the bucket, or the permissions "
           "storage.objects.list, get and create, expire also delete";
  if (status == 404 && says("bucket")) return "create the bucket first; pgcairn does not";
  return {};
}

/// What the store said, as the error that it is.
void Gcs::fail(const std::string& what, const HttpResponse& response) {
  const GcsError error = parse_gcs_error(as_text(response.body));
  std::string message =
      format("{} in {} failed: {}", what, where_, in_words(response.status, error));
  const std::string id = response.header("x-guploader-uploadid");
  if (!id.empty()) message += format(", request {}", id);
  // An answer of success that is not the one asked for, or a body that is not the one sent, is the
  // work of something on the way.
  const bool changed =
      response.status / 100 == 2 ||
      (response.status == 400 && error.message.find("CRC32C") != std::string::npos);
  if (may_pass(response.status) || changed) throw_transient(response, message);
  throw Error(message, hint_of(response.status, error, response.header("date")));
}

/// One request for all of it. Resumable sessions, which cost two more, are for what cannot be sent
/// again: a pack or a WAL segment is in memory, and sending it again is what is done anyway.
bool Gcs::put(std::string_view key, Bytes body, IfExists if_exists) {
  check_key(key);
  const std::string crc = crc32c_text(body);
  JsonWriter metadata;
  metadata.begin_object().member("crc32c", crc);
  if (!settings_.storage_class.empty()) metadata.member("storageClass", settings_.storage_class);
  metadata.end_object();
  const std::string boundary = random_id();  // the body may hold any fixed one
  const std::string before = format(
      "--{0}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{1}\r\n"
      "--{0}\r\ncontent-type: application/octet-stream\r\n\r\n",
      boundary, metadata.text());
  const std::string after = format("\r\n--{}--\r\n", boundary);
  Call call{"POST", "/upload" + objects_path_};
  call.query = of_bucket({{"uploadType", "multipart"},
                          {"name", name_of(key)},
                          {"ifGenerationMatch", "0"},
                          {"fields", "crc32c"}});
  if (!settings_.kms_key.empty()) call.query.emplace_back("kmsKeyName", settings_.kms_key);
  call.headers["content-type"] = format("multipart/related; boundary={}", boundary);
  call.body = body;
  call.before_body = as_bytes(before);
  call.after_body = as_bytes(after);
  const HttpResponse response = send(call);
  if (response.status == 200) {
    bucket_seen_ = true;
    // Trying again will find the object, and compare it.
    if (parse_gcs_crc32c(as_text(response.body), where_) != crc)
      throw TransientError(format("{} stored \"{}\" with another checksum", where_, key));
    return true;
  }
  // What is kept from being overwritten is there.
  const bool taken = response.status == 412 ||
                     (response.status == 403 && parse_gcs_error(as_text(response.body)).is_kept());
  if (!taken) fail(format("creating \"{}\"", key), response);
  if (if_exists == IfExists::keep) return false;
  throw ConflictError(format("cannot create \"{}\" in {}: it exists already", key, where_));
}

bool Gcs::get(std::string_view key, Range range, Buffer& out) {
  check_key(key);
  const RangedGet asked(range);
  Call call{"GET", path_of(key)};
  call.query = of_bucket({{"alt", "media"}});
  if (!asked.header().empty()) call.headers["range"] = asked.header();
  call.most_body_bytes = asked.most_body_bytes();
  HttpResponse response = send(call, std::move(out));
  if (is_absent(response.status, as_text(response.body))) {
    out.clear();
    return false;
  }
  if (!asked.is_answer(response.status)) fail(format("reading \"{}\"", key), response);
  bucket_seen_ = true;
  out = std::move(response.body);
  if (asked.has_no_bytes(response.status)) {
    out.clear();
    return true;
  }
  // A part has no checksum.
  const std::string crc = crc32c_in(response.header("x-goog-hash"));
  const bool sound = !asked.header().empty() || crc == crc32c_text(out);
  if (!sound || !asked.is_whole(response, out.size())) {
    throw TransientError(format("the answer with \"{}\" from {} {}", key, where_,
                                sound ? "is incomplete" : "does not match its checksum"));
  }
  return true;
}

/// Whether the store says that there is no such object. The answer when there is no such bucket may
/// be the same: a listing tells the two apart.
bool Gcs::is_absent(int status, std::string_view body) {
  if (status != 404 || !parse_gcs_error(body).is_absent()) return false;
  if (!bucket_seen_) page("", "", true);
  return true;
}

std::optional<Object> Gcs::stat(std::string_view key) {
  check_key(key);
  Call call{"GET", path_of(key)};
  call.query = of_bucket({{"fields", std::string(kGcsObjectFields)}});
  const HttpResponse response = send(call);
  if (is_absent(response.status, as_text(response.body))) return std::nullopt;
  if (response.status != 200) fail(format("looking for \"{}\"", key), response);
  bucket_seen_ = true;
  Object object = parse_gcs_object(as_text(response.body), where_);
  object.key = key;
  return object;
}

ListedPage Gcs::page(std::string_view prefix, const std::string& token, bool by_folder) {
  Call call{"GET", objects_path_};
  call.query = of_bucket({{"prefix", name_of(prefix)}, {"fields", std::string(kGcsPageFields)}});
  if (!token.empty()) call.query.emplace_back("pageToken", token);
  if (by_folder) call.query.emplace_back("delimiter", "/");
  const HttpResponse response = send(call);
  if (response.status != 200) fail(format("listing \"{}\"", prefix), response);
  bucket_seen_ = true;
  return parse_gcs_page(as_text(response.body), where_);
}

void Gcs::list(std::string_view prefix, const std::function<void(const Object&)>& visit) {
  check_prefix(prefix);
  const auto fetch = [&](const std::string& token) { return page(prefix, token, false); };
  visit_pages(fetch, settings_.prefix, where_, visit);
}

std::vector<std::string> Gcs::folders(std::string_view prefix) {
  check_folder(prefix);
  const auto fetch = [&](const std::string& token) { return page(prefix, token, true); };
  return folders_of_pages(fetch, name_of(prefix), where_);
}

void Gcs::remove(std::span<const std::string> keys) {
  for (const std::string& key : keys) check_key(key);
  remove_in_batches(keys, kRemovedAtOnce,
                    [this](std::span<const std::string> batch) { remove_batch(batch); });
}

void Gcs::remove_batch(std::span<const std::string> keys) {
  const std::string query = canonical_query(of_bucket({}));
  std::string body;
  for (std::size_t at = 0; at < keys.size(); ++at) {
    body += format(
        "--{}\r\ncontent-type: application/http\r\ncontent-id: <{}>\r\n\r\n"
        "DELETE {}{}{} HTTP/1.1\r\n\r\n\r\n",
        kBatchBoundary, at, path_of(keys[at]), query.empty() ? "" : "?", query);
  }
  body += format("--{}--\r\n", kBatchBoundary);
  Call call{"POST", "/batch/storage/v1"};
  call.headers["content-type"] = format("multipart/mixed; boundary={}", kBatchBoundary);
  call.body = as_bytes(body);
  const HttpResponse response = send(call);
  if (response.status != 200) fail(format("removing {} objects", keys.size()), response);

  // By key: what is not answered is not known to be removed.
  std::vector<BatchedAnswer> answers(keys.size());
  for (BatchedAnswer& answer :
       parse_batch(response.header("content-type"), as_text(response.body))) {
    const auto at = answer.id.starts_with("<response-") && answer.id.ends_with('>')
                        ? parse_u64(answer.id.substr(10, answer.id.size() - 11))
                        : std::nullopt;
    if (at && *at < answers.size()) answers[*at] = std::move(answer);
  }
  check_removed(keys, answers);
}

/// An absent object is removed. What is wrong with one comes before that others are only kept.
void Gcs::check_removed(std::span<const std::string> keys, std::span<const BatchedAnswer> answers) {
  std::size_t left = 0;
  std::size_t first = 0;
  GcsError error;
  for (std::size_t at = 0; at < keys.size(); ++at) {
    const int status = answers[at].status;
    if (status / 100 == 2 || is_absent(status, answers[at].body)) continue;
    GcsError found = parse_gcs_error(answers[at].body);
    if (left++ > 0 && (found.is_kept() || !error.is_kept())) continue;
    first = at;
    error = std::move(found);
  }
  if (left == 0) return;
  const int status = answers[first].status;
  const std::string message = format(
      "removing \"{}\" in {} failed: {}; {} of {} objects are not removed", keys[first], where_,
      status == 0 ? "the store gave no answer for it" : in_words(status, error), left, keys.size());
  if (error.is_kept()) fail_kept(keys[first], message);
  if (status == 0 || may_pass(status)) throw TransientError(message);
  throw Error(message, hint_of(status, error, {}));
}

void Gcs::fail_kept(const std::string& key, const std::string& message) {
  Call call{"GET", path_of(key)};
  call.query = of_bucket({{"fields", std::string(kGcsKeptFields)}});
  const HttpResponse response = send(call);
  if (response.status != 200) fail(format("looking for \"{}\"", key), response);
  throw ObjectLockedError(message, parse_gcs_kept(as_text(response.body), where_));
}

}  // namespace

std::unique_ptr<Driver> make_gcs(GcsSettings settings, std::filesystem::path kept_credentials) {
  return std::make_unique<Gcs>(std::move(settings), std::move(kept_credentials));
}

}  // namespace pgcairn::storage
