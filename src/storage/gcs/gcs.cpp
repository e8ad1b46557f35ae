#include "gcs/json.hpp"
#include "gcs/oauth.hpp"
#include "http/batch.hpp"
#include "http/checksum.hpp"
#include "http/remote_driver.hpp"
#include "http/uri.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/digest.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <array>
#include <atomic>

namespace pgcairn::storage {

namespace {

constexpr std::size_t kRemovedAtOnce = 100;   // the limit of a batch
constexpr std::chrono::minutes kMostSkew{5};  // between this machine's clock and Google's
constexpr const char* kBatchPath = "/batch/storage/v1";
constexpr const char* kBatchBoundary = "calls-of-a-batch";  // no line of a call begins with it

using Query = std::vector<std::pair<std::string, std::string>>;

/// The CRC-32C of the whole object in "crc32c=AAAAAA==, md5=..."; empty: it is not there.
std::string crc32c_in(std::string_view hashes) {
  constexpr std::string_view name = "crc32c=";
  const std::size_t at = hashes.find(name);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = hashes.substr(at + name.size());
  return std::string(trim(rest.substr(0, rest.find(','))));
}

std::string where_of(const GcsSettings& settings) {
  return format("gs://{}/{} at {}", settings.bucket, settings.prefix, settings.endpoint);
}

class Gcs final : public RemoteDriver {
 public:
  Gcs(GcsSettings settings, std::filesystem::path kept_credentials);

 private:
  HttpResponse sign_and_send(const StoreRequest& request, Buffer body) override;
  StoreRequest get_request(std::string_view key) override {
    return {"GET", path_of(key), of_bucket({{"alt", "media"}})};
  }
  StoreRequest stat_request(std::string_view key) override {
    return fields_request(key, kGcsObjectFields);
  }
  StoreRequest list_request(const std::string& name_prefix, const std::string& token) override;
  bool create(std::string_view key, Bytes body) override;
  void remove_batch(std::span<const std::string> keys) override;

  StoreError error_of(const HttpResponse& response) const override {
    return parse_gcs_error(as_text(response.body));
  }
  bool is_absent(const StoreRequest& request, const HttpResponse& response) override;
  bool is_temporary(int status, const StoreError& error) const override;
  std::string hint_of(const HttpResponse& response, const StoreError& error) override;
  std::string flaw_of(const HttpResponse& response, Bytes content) const override;
  Object object_of(std::string_view key, const HttpResponse& response) const override;
  ListedPage page_of(std::string_view text) const override { return parse_gcs_page(text, where()); }
  std::optional<Timestamp> kept_until(std::string_view key) override;
  std::optional<StoreRequest> rules_request() override {
    return StoreRequest{"GET", bucket_path_, of_bucket({{"fields", "lifecycle"}})};
  }
  std::vector<StoreRule> rules_of(const HttpResponse& response,
                                  std::string_view prefix) const override {
    return response.status == 404 ? std::vector<StoreRule>()
                                  : parse_gcs_rules(as_text(response.body), prefix, where());
  }

  /// The parameters of a request that is about the bucket.
  Query of_bucket(Query query) const {
    if (!settings_.user_project.empty()) query.emplace_back("userProject", settings_.user_project);
    return query;
  }
  std::string path_of(std::string_view key) const {
    return format("{}/{}", objects_path_, uri_encode(name_of(key), true));
  }
  StoreRequest fields_request(std::string_view key, std::string_view fields) const {
    return {"GET", path_of(key), of_bucket({{"fields", std::string(fields)}})};
  }
  bool says_absent(int status, const StoreError& error);

  GcsSettings settings_;
  HttpClient http_;
  RenewedCredentials<std::string> token_;
  std::string bucket_path_;   // "/storage/v1/b/bucket"
  std::string objects_path_;  // "/storage/v1/b/bucket/o"
  std::atomic<bool> bucket_seen_ = false;
};

Gcs::Gcs(GcsSettings settings, std::filesystem::path kept_credentials)
    : RemoteDriver({settings.prefix, where_of(settings), "x-guploader-uploadid", kRemovedAtOnce}),
      settings_(std::move(settings)),
      http_(http_settings(settings_.network)),
      token_(
          "the token for Google Cloud Storage",
          [this] {
            const auto ask = [this](const HttpRequest& request) { return http_.send(request); };
            return find_gcs_token(settings_, {system_sources(), ask}, now());
          },
          CredentialCache(std::move(kept_credentials), gcs_token_found_by(settings_))),
      bucket_path_(format("/storage/v1/b/{}", uri_encode(settings_.bucket, true))),
      objects_path_(bucket_path_ + "/o") {}

HttpResponse Gcs::sign_and_send(const StoreRequest& request, Buffer body) {
  const std::string query = canonical_query(request.query);
  HttpRequest sent = addressed(request, format("{}{}{}{}", settings_.endpoint, request.path,
                                               query.empty() ? "" : "?", query));
  HttpResponse response = token_.send([&](const std::string& token) {
    sent.headers["authorization"] = "Bearer " + token;
    return http_.send(sent, std::move(body));
  });
  // A batch is answered with 200 whatever becomes of its parts.
  if (response.status / 100 == 2 && request.path != kBatchPath) bucket_seen_ = true;
  return response;
}

std::string Gcs::hint_of(const HttpResponse& response, const StoreError& error) {
  const int status = response.status;
  const auto says = [&](std::string_view word) {
    return error.message.find(word) != std::string::npos;
  };
  if (status == 401) {
    const auto theirs = parse_http_date(response.header("date"));
    if (theirs && std::chrono::abs(*theirs - now()) > kMostSkew) return "set this machine's clock";
    if (!settings_.token.empty()) return "gcs-token is valid for an hour at most: use gcs-key-file";
    return "check the credentials: the token is invalid or has expired";
  }
  if (says("requester pays") || says("user project"))
    return "name the project that pays with gcs-user-project";
  if (error.code == "insufficientPermissions" || says("scopes"))
    return "the token's access scopes need devstorage.read_write, or cloud-platform";
  if (error.code == "accountDisabled" || says("billing"))
    return "enable billing of the project that the bucket is in";
  if (status == 403 && says("KMS"))
    return "Cloud Storage's service agent needs the role Cloud KMS CryptoKey Encrypter/Decrypter";
  if (status == 403)
    return "the account needs the role Storage Object User on the bucket, or the permissions "
           "storage.objects.list, get and create, expire also delete";
  if (status == 404 && says("bucket")) return "create the bucket first; pgcairn does not";
  return {};
}

/// An answer of success that is not the one asked for, or a body that is not the one sent, is the
/// work of something on the way.
bool Gcs::is_temporary(int status, const StoreError& error) const {
  return status / 100 == 2 || (status == 400 && error.message.find("CRC32C") != std::string::npos);
}

/// One request for all of it. Resumable sessions, which cost two more, are for what cannot be sent
/// again: a pack or a WAL segment is in memory, and sending it again is what is done anyway.
bool Gcs::create(std::string_view key, Bytes body) {
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
  StoreRequest request{"POST", "/upload" + objects_path_};
  request.query = of_bucket({{"uploadType", "multipart"},
                             {"name", name_of(key)},
                             {"ifGenerationMatch", "0"},
                             {"fields", "crc32c"}});
  if (!settings_.kms_key.empty()) request.query.emplace_back("kmsKeyName", settings_.kms_key);
  request.headers["content-type"] = format("multipart/related; boundary={}", boundary);
  request.body = body;
  request.before_body = as_bytes(before);
  request.after_body = as_bytes(after);
  const HttpResponse response = send(request);
  if (response.status == 200) {
    // Trying again will find the object, and compare it.
    if (parse_gcs_crc32c(as_text(response.body), where()) != crc)
      throw TransientError(format("{} stored \"{}\" with another checksum", where(), key));
    return true;
  }
  // What is kept from being overwritten is there.
  const bool taken =
      response.status == 412 || (response.status == 403 && is_gcs_kept(error_of(response)));
  if (!taken) fail(format("creating \"{}\"", key), response);
  return false;
}

/// A part has no checksum.
std::string Gcs::flaw_of(const HttpResponse& response, Bytes content) const {
  const bool whole = response.status == 200;
  const bool sound = !whole || crc32c_in(response.header("x-goog-hash")) == crc32c_text(content);
  return sound ? "" : "does not match its checksum";
}

/// The answer when there is no such bucket may be the same: a listing tells the two apart.
bool Gcs::says_absent(int status, const StoreError& error) {
  if (status != 404 || !is_gcs_absent(error)) return false;
  if (!bucket_seen_) require_bucket();
  return true;
}

bool Gcs::is_absent(const StoreRequest& /*request*/, const HttpResponse& response) {
  return response.status == 404 && says_absent(404, error_of(response));
}

Object Gcs::object_of(std::string_view key, const HttpResponse& response) const {
  Object object = parse_gcs_object(as_text(response.body), where());
  object.key = key;
  return object;
}

StoreRequest Gcs::list_request(const std::string& name_prefix, const std::string& token) {
  StoreRequest request{"GET", objects_path_};
  request.query = of_bucket({{"prefix", name_prefix}, {"fields", std::string(kGcsPageFields)}});
  if (!token.empty()) request.query.emplace_back("pageToken", token);
  return request;
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
  StoreRequest request{"POST", kBatchPath};
  request.headers["content-type"] = format("multipart/mixed; boundary={}", kBatchBoundary);
  request.body = as_bytes(body);
  const HttpResponse response = send_for(200, request, format("removing {} objects", keys.size()));

  // By key: what is not answered is not known to be removed.
  std::vector<BatchedAnswer> answers(keys.size());
  for (BatchedAnswer& answer :
       parse_batch(response.header("content-type"), as_text(response.body))) {
    const auto at = answer.id.starts_with("<response-") && answer.id.ends_with('>')
                        ? parse_u64(answer.id.substr(10, answer.id.size() - 11))
                        : std::nullopt;
    if (at && *at < answers.size()) answers[*at] = std::move(answer);
  }
  std::vector<NotRemoved> left;
  for (std::size_t at = 0; at < keys.size(); ++at) {
    const int status = answers[at].status;
    const StoreError error = parse_gcs_error(answers[at].body);
    if (status / 100 == 2 || says_absent(status, error)) continue;
    left.push_back({keys[at], status, error, is_gcs_kept(error)});
  }
  require_removed(left, keys.size());
}

std::optional<Timestamp> Gcs::kept_until(std::string_view key) {
  const HttpResponse response =
      send_for(200, fields_request(key, kGcsKeptFields), format("looking for \"{}\"", key));
  return parse_gcs_kept(as_text(response.body), where());
}

}  // namespace

std::unique_ptr<Driver> make_gcs(GcsSettings settings, std::filesystem::path kept_credentials) {
  return std::make_unique<Gcs>(std::move(settings), std::move(kept_credentials));
}

}  // namespace pgcairn::storage
