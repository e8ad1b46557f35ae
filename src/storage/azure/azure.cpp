#include "azure/batch.hpp"
#include "azure/credentials.hpp"
#include "azure/xml.hpp"
#include "http/answer.hpp"
#include "http/paged_listing.hpp"
#include "http/ranged_get.hpp"
#include "key.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/digest.hpp>
#include <pgcairn/storage/drivers.hpp>
#include <pgcairn/storage/object_locked_error.hpp>

#include <algorithm>
#include <chrono>

namespace pgcairn::storage {

namespace {

constexpr const char* kVersion = "2021-12-02";  // of the protocol: the first with the tier Cold
constexpr std::size_t kRemovedAtOnce = 256;     // Blob Batch's limit
constexpr unsigned kConnections = 16;
constexpr std::uint64_t kMostAnswerBytes = 16 * kMiB;  // a page of a listing has 5000 names
constexpr std::chrono::minutes kMostSkew{15};          // of our clock and the store's

class Azure final : public Driver {
 public:
  Azure(AzureSettings settings, std::filesystem::path kept_credentials);

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
  HttpResponse send(AzureRequest request, std::uint64_t most_body_bytes = kMostAnswerBytes,
                    Buffer body = {});
  [[noreturn]] void fail(const std::string& what, const HttpResponse& response);
  std::string hint_of(const std::string& code, const HttpResponse& response);
  std::string path_of(std::string_view key) const {
    return format("{}/{}{}", container_path_, settings_.prefix, key);
  }
  HttpResponse properties_of(std::string_view key) { return send({"HEAD", path_of(key)}); }
  FetchPage pages_of(std::string_view prefix, bool by_folder);
  void remove_batch(std::span<const std::string> keys);
  void check_removed(std::span<const std::string> keys, std::span<const AzurePart> parts);
  [[noreturn]] void fail_kept(const std::string& key, const std::string& message);

  AzureSettings settings_;
  HttpClient http_;
  RenewedCredentials<AzureKeys> keys_;
  std::string origin_;          // "https://host:port"
  std::string container_path_;  // "/container", or "/account/container"
  std::string where_;
};

Azure::Azure(AzureSettings settings, std::filesystem::path kept_credentials)
    : settings_(std::move(settings)),
      http_(http_settings(settings_.network)),
      keys_(
          "credentials for Azure",
          [this] {
            const auto ask = [this](const HttpRequest& request) { return http_.send(request); };
            return find_azure_keys(settings_, {system_sources(), ask});
          },
          CredentialCache(std::move(kept_credentials), azure_keys_found_by(settings_))),
      origin_(settings_.endpoint) {
  if (origin_.empty())
    origin_ = format("https://{}.blob.{}", settings_.account, settings_.endpoint_suffix);
  container_path_ = settings_.path_style ? format("/{}/{}", settings_.account, settings_.container)
                                         : format("/{}", settings_.container);
  where_ = format("azure://{}/{} at {}", settings_.container, settings_.prefix, origin_);
  if (settings_.path_style) where_ += "/" + settings_.account;
}

HttpResponse Azure::send(AzureRequest call, std::uint64_t most_body_bytes, Buffer body) {
  call.headers["x-ms-version"] = kVersion;
  return keys_.send([&](const AzureKeys& keys) {
    AzureRequest authorized = call;
    authorize(authorized, settings_.account, keys, now());
    HttpRequest request;
    request.method = authorized.method;
    request.url = origin_ + azure_target(authorized, keys);
    request.headers = std::move(authorized.headers);
    request.body = authorized.body;
    request.most_body_bytes = most_body_bytes;
    return http_.send(request, std::move(body));
  });
}

/// The store's word for what is wrong; an answer to HEAD has it in a header alone.
AzureError error_of(const HttpResponse& response) {
  AzureError error = parse_azure_error(as_text(response.body));
  const std::string code = response.header("x-ms-error-code");
  if (!code.empty()) error.code = code;
  return error;
}

bool is_absent(int status, const std::string& code) {
  return status == 404 && code == "BlobNotFound";
}

/// The key is taken. Other answers of 409 and 412 are of containers that are being deleted, of
/// leases and of policies; with permission to create alone, the answer to a taken key is a 403.
bool is_taken(int status, const std::string& code) {
  return (status == 409 && code == "BlobAlreadyExists") ||
         (status == 412 && code == "ConditionNotMet") ||
         (status == 403 && code == "UnauthorizedBlobOverwrite");
}

bool is_kept(const std::string& code) {
  return code.starts_with("BlobImmutableDueTo");
}

std::string in_words(int status, const AzureError& error) {
  return format("{}{}{}{}", status, error.code.empty() ? "" : " ", error.code,
                error.message.empty() ? "" : format(" ({})", error.message));
}

std::string Azure::hint_of(const std::string& code, const HttpResponse& response) {
  const AzureKeys keys = keys_.get();
  const auto end = end_of_sas(keys.sas);
  if (code.starts_with("Auth") && end && *end < now())
    return format("the SAS token expired at {}: create a new one", format_utc(*end));
  if (code == "AuthenticationFailed" || code == "InvalidAuthenticationInfo") {
    const auto theirs = parse_http_date(response.header("date"));
    if (theirs && std::chrono::abs(*theirs - now()) > kMostSkew) return "set this machine's clock";
    if (!keys.token.empty()) return "check that the identity is of the account's tenant";
    if (!keys.sas.empty()) return "check the SAS token: its account, its container, its times";
    return format("check that the key is of account {}", settings_.account);
  }
  if (code == "AuthorizationPermissionMismatch")
    return keys.sas.empty() ? "the identity needs the role Storage Blob Data Contributor"
                            : "the SAS token needs read, create, delete and list: sp=rcdl";
  if (code == "AuthorizationFailure")
    return "check the permissions, and whether the account's firewall lets this machine in";
  if (code == "KeyBasedAuthenticationNotPermitted")
    return "the account allows no keys: leave azure-key out and use an identity";
  if (code == "ContainerNotFound") return "create the container first; pgcairn does not";
  if (code == "ResourceNotFound") return "check azure-account and azure-endpoint";
  if (code == "BlobArchived")
    return "bring the blob back to the tier Hot or Cool first; that takes hours";
  return {};
}

/// What the store said, as the error that it is.
void Azure::fail(const std::string& what, const HttpResponse& response) {
  const AzureError error = error_of(response);
  const int status = response.status;
  std::string message = format("{} in {} failed: {}", what, where_, in_words(status, error));
  const std::string id = response.header("x-ms-request-id");
  if (!id.empty()) message += format(", request {}", id);
  // An answer of success that is not the one asked for came from something on the way.
  if (may_pass(status) || status / 100 == 2 || error.code == "Md5Mismatch")
    throw_transient(response, message);
  throw Error(message, hint_of(error.code, response));
}

/// One request: a block blob of up to 5000 MiB needs no list of blocks, and no object comes near.
bool Azure::put(std::string_view key, Bytes body, IfExists if_exists) {
  check_key(key);
  AzureRequest request{"PUT", path_of(key)};
  request.body = body;
  request.headers["if-none-match"] = "*";
  request.headers["x-ms-blob-type"] = "BlockBlob";
  // The store refuses bytes that changed on the way.
  request.headers["content-md5"] = crypto::base64(crypto::md5(body));
  if (!settings_.access_tier.empty()) request.headers["x-ms-access-tier"] = settings_.access_tier;
  const HttpResponse response = send(std::move(request));
  if (response.status == 201) return true;
  const std::string code = error_of(response).code;
  // A policy keeps a blob from being overwritten: then it should be there.
  if (!is_taken(response.status, code) && !(is_kept(code) && stat(key)))
    fail(format("creating \"{}\"", key), response);
  if (if_exists == IfExists::keep) return false;
  throw ConflictError(format("cannot create \"{}\" in {}: it exists already", key, where_));
}

bool Azure::get(std::string_view key, Range range, Buffer& out) {
  check_key(key);
  const RangedGet part(range);
  AzureRequest request{"GET", path_of(key)};
  if (const std::string header = part.header(); !header.empty()) request.headers["range"] = header;
  HttpResponse response = send(std::move(request), part.most_body_bytes(), std::move(out));
  out.clear();
  if (response.status == 404 && is_absent(404, error_of(response).code)) return false;
  if (!part.is_answer(response.status)) fail(format("reading \"{}\"", key), response);
  if (part.has_no_bytes(response.status)) return true;
  out = std::move(response.body);
  // Whatever else answers 200 on the way does not say what kind of blob it sends.
  if (response.header("x-ms-blob-type").empty() || !part.is_whole(response, out.size()))
    throw TransientError(format("the answer with \"{}\" from {} is incomplete", key, where_));
  return true;
}

std::optional<Object> Azure::stat(std::string_view key) {
  check_key(key);
  const HttpResponse response = properties_of(key);
  if (is_absent(response.status, error_of(response).code)) return std::nullopt;
  if (response.status != 200) fail(format("looking for \"{}\"", key), response);
  const auto size = parse_u64(response.header("content-length"));
  const auto modified = parse_http_date(response.header("last-modified"));
  if (!size || !modified)
    throw Error(format("the answer about \"{}\" from {} has an unknown format", key, where_));
  return Object{std::string(key), *size, *modified};
}

FetchPage Azure::pages_of(std::string_view prefix, bool by_folder) {
  return [this, prefix, by_folder](const std::string& marker) {
    AzureRequest request{"GET", container_path_};
    request.query = {{"restype", "container"}, {"comp", "list"}};
    const std::string whole_prefix = settings_.prefix + std::string(prefix);
    if (!whole_prefix.empty()) request.query.emplace_back("prefix", whole_prefix);
    if (!marker.empty()) request.query.emplace_back("marker", marker);
    if (by_folder) request.query.emplace_back("delimiter", "/");
    const HttpResponse response = send(std::move(request));
    if (response.status != 200) fail(format("listing \"{}\"", prefix), response);
    return parse_azure_page(as_text(response.body), where_);
  };
}

void Azure::list(std::string_view prefix, const std::function<void(const Object&)>& visit) {
  check_prefix(prefix);
  visit_pages(pages_of(prefix, false), settings_.prefix, where_, visit);
}

std::vector<std::string> Azure::folders(std::string_view prefix) {
  check_folder(prefix);
  return folders_of_pages(pages_of(prefix, true), settings_.prefix + std::string(prefix), where_);
}

void Azure::remove(std::span<const std::string> keys) {
  for (const std::string& key : keys) check_key(key);
  remove_in_batches(keys, kRemovedAtOnce,
                    [this](std::span<const std::string> some) { remove_batch(some); });
}

void Azure::remove_batch(std::span<const std::string> keys) {
  const AzureKeys authorized_by = keys_.get();
  std::vector<AzureRequest> removals;
  for (const std::string& key : keys) {
    AzureRequest& removal = removals.emplace_back(AzureRequest{"DELETE", path_of(key)});
    authorize(removal, settings_.account, authorized_by, now());
  }
  const std::string body = azure_batch_body(removals, authorized_by);
  AzureRequest request{"POST", container_path_};
  request.query = {{"restype", "container"}, {"comp", "batch"}};
  request.headers["content-type"] = azure_batch_type();
  request.body = as_bytes(body);
  const HttpResponse response = send(std::move(request));
  if (response.status != 202) fail(format("removing {} objects", keys.size()), response);
  check_removed(keys, parse_azure_batch(response.header("content-type"), as_text(response.body),
                                        keys.size()));
}

/// An absent blob is removed. What is wrong with one comes before that others are only kept.
void Azure::check_removed(std::span<const std::string> keys, std::span<const AzurePart> parts) {
  std::size_t left = 0;
  std::size_t first = 0;
  for (std::size_t at = 0; at < parts.size(); ++at) {
    const auto& [status, error] = parts[at];
    if (status / 100 == 2 || is_absent(status, error.code)) continue;
    if (left++ == 0 || (is_kept(parts[first].error.code) && !is_kept(error.code))) first = at;
  }
  if (left == 0) return;
  const auto& [status, error] = parts[first];
  const std::string message = format(
      "removing \"{}\" in {} failed: {}; {} of {} objects are not removed", keys[first], where_,
      status == 0 ? "the store gave no answer for it" : in_words(status, error), left, keys.size());
  if (is_kept(error.code)) fail_kept(keys[first], message);
  if (status == 0 || may_pass(status)) throw TransientError(message);
  throw Error(message, hint_of(error.code, {}));
}

/// A legal hold, and a policy of the whole container, have no end that the blob tells.
void Azure::fail_kept(const std::string& key, const std::string& message) {
  const HttpResponse response = properties_of(key);
  const bool held = response.header("x-ms-legal-hold") == "true";
  throw ObjectLockedError(
      message, held ? std::nullopt
                    : parse_http_date(response.header("x-ms-immutability-policy-until-date")));
}

}  // namespace

std::unique_ptr<Driver> make_azure(AzureSettings settings, std::filesystem::path kept_credentials) {
  return std::make_unique<Azure>(std::move(settings), std::move(kept_credentials));
}

}  // namespace pgcairn::storage
