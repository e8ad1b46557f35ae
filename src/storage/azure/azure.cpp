#include "azure/batch.hpp"
#include "azure/credentials.hpp"
#include "azure/xml.hpp"
#include "http/remote_driver.hpp"
#include "http/renewed_credentials.hpp"
#include "http/store_clock.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/digest.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <chrono>

namespace pgcairn::storage {

namespace {

constexpr const char* kVersion = "2021-12-02";  // of the protocol: the first with the tier Cold
constexpr std::size_t kRemovedAtOnce = 256;     // Blob Batch's limit

/// "https://host:port".
std::string origin_of(const AzureSettings& settings) {
  if (!settings.endpoint.empty()) return settings.endpoint;
  return format("https://{}.blob.{}", settings.account, settings.endpoint_suffix);
}

std::string where_of(const AzureSettings& settings) {
  const std::string account = settings.path_style ? "/" + settings.account : "";
  return format("azure://{}/{} at {}{}", settings.container, settings.prefix, origin_of(settings),
                account);
}

class Azure final : public RemoteDriver {
 public:
  Azure(AzureSettings settings, std::filesystem::path kept_credentials);

 private:
  HttpResponse sign_and_send(const StoreRequest& request, Buffer body) override;
  StoreRequest get_request(std::string_view key) override { return {"GET", path_of(key)}; }
  StoreRequest stat_request(std::string_view key) override { return {"HEAD", path_of(key)}; }
  StoreRequest list_request(const std::string& name_prefix, const std::string& token) override;
  bool create(std::string_view key, Bytes body) override;
  void remove_batch(std::span<const std::string> keys) override;

  StoreError error_of(const HttpResponse& response) const override;
  bool is_absent(const StoreRequest& request, const HttpResponse& response) override;
  bool is_temporary(int status, const StoreError& error) const override;
  std::string hint_of(const HttpResponse& response, const StoreError& error) override;
  std::string flaw_of(const HttpResponse& response, Bytes content) const override;
  ListedPage page_of(std::string_view text) const override {
    return parse_azure_page(text, where());
  }
  std::optional<Timestamp> kept_until(std::string_view key) override;

  std::string path_of(std::string_view key) const {
    return format("{}/{}", container_path_, name_of(key));
  }

  AzureSettings settings_;
  HttpClient http_;
  StoreClock clock_;
  RenewedCredentials<AzureKeys> keys_;
  std::string origin_;
  std::string container_path_;  // "/container", or "/account/container"
};

Azure::Azure(AzureSettings settings, std::filesystem::path kept_credentials)
    : RemoteDriver({settings.prefix, where_of(settings), "x-ms-request-id", kRemovedAtOnce}),
      settings_(std::move(settings)),
      http_(http_settings(settings_.network)),
      clock_(where()),
      keys_(
          "credentials for Azure",
          [this] {
            const auto ask = [this](const HttpRequest& request) { return http_.send(request); };
            return find_azure_keys(settings_, {system_sources(), ask});
          },
          CredentialCache(std::move(kept_credentials), azure_keys_found_by(settings_))),
      origin_(origin_of(settings_)) {
  container_path_ = settings_.path_style ? format("/{}/{}", settings_.account, settings_.container)
                                         : format("/{}", settings_.container);
}

HttpResponse Azure::sign_and_send(const StoreRequest& request, Buffer body) {
  StoreRequest versioned = request;
  versioned.headers["x-ms-version"] = kVersion;
  return keys_.send([&](const AzureKeys& keys) {
    return clock_.send([&](Timestamp when) {
      StoreRequest authorized = versioned;
      authorize(authorized, settings_.account, keys, when);
      return http_.send(addressed(authorized, origin_ + azure_target(authorized, keys)),
                        std::move(body));
    });
  });
}

/// An answer to HEAD has the code in a header alone.
StoreError Azure::error_of(const HttpResponse& response) const {
  StoreError error = parse_azure_error(as_text(response.body));
  const std::string code = response.header("x-ms-error-code");
  if (!code.empty()) error.code = code;
  return error;
}

bool says_absent(int status, const std::string& code) {
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

std::string Azure::hint_of(const HttpResponse& /*response*/, const StoreError& error) {
  const std::string& code = error.code;
  const AzureKeys keys = keys_.get();
  const auto end = end_of_sas(keys.sas);
  if (code.starts_with("Auth") && end && *end < now())
    return format("the SAS token expired at {}: create a new one", format_utc(*end));
  if (code == "AuthenticationFailed" || code == "InvalidAuthenticationInfo") {
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

/// An answer of success that is not the one asked for came from something on the way.
bool Azure::is_temporary(int status, const StoreError& error) const {
  return status / 100 == 2 || error.code == "Md5Mismatch";
}

/// One request: a block blob of up to 5000 MiB needs no list of blocks, and no object comes near.
bool Azure::create(std::string_view key, Bytes body) {
  StoreRequest request{"PUT", path_of(key)};
  request.body = body;
  request.headers["if-none-match"] = "*";
  request.headers["x-ms-blob-type"] = "BlockBlob";
  // The store refuses bytes that changed on the way.
  request.headers["content-md5"] = crypto::base64(crypto::md5(body));
  if (!settings_.access_tier.empty()) request.headers["x-ms-access-tier"] = settings_.access_tier;
  const HttpResponse response = send(request);
  if (response.status == 201) return true;
  const std::string code = error_of(response).code;
  // A policy keeps a blob from being overwritten: then it should be there.
  if (!is_taken(response.status, code) && !(is_kept(code) && stat(key)))
    fail(format("creating \"{}\"", key), response);
  return false;
}

bool Azure::is_absent(const StoreRequest& /*request*/, const HttpResponse& response) {
  return response.status == 404 && says_absent(404, error_of(response).code);
}

/// Another server that answers 200 on the way does not say what kind of blob it sends.
std::string Azure::flaw_of(const HttpResponse& response, Bytes /*content*/) const {
  return response.header("x-ms-blob-type").empty() ? "is incomplete" : "";
}

StoreRequest Azure::list_request(const std::string& name_prefix, const std::string& token) {
  StoreRequest request{"GET", container_path_};
  request.query = {{"restype", "container"}, {"comp", "list"}};
  if (!name_prefix.empty()) request.query.emplace_back("prefix", name_prefix);
  if (!token.empty()) request.query.emplace_back("marker", token);
  return request;
}

void Azure::remove_batch(std::span<const std::string> keys) {
  const AzureKeys authorized_by = keys_.get();
  std::vector<StoreRequest> removals;
  for (const std::string& key : keys) {
    StoreRequest& removal = removals.emplace_back(StoreRequest{"DELETE", path_of(key)});
    authorize(removal, settings_.account, authorized_by, clock_.now());
  }
  const std::string body = azure_batch_body(removals, authorized_by);
  StoreRequest request{"POST", container_path_};
  request.query = {{"restype", "container"}, {"comp", "batch"}};
  request.headers["content-type"] = azure_batch_type();
  request.body = as_bytes(body);
  const HttpResponse response = send_for(202, request, format("removing {} objects", keys.size()));

  const auto parts =
      parse_azure_batch(response.header("content-type"), as_text(response.body), keys.size());
  std::vector<NotRemoved> left;
  for (std::size_t at = 0; at < keys.size(); ++at) {
    const auto& [status, error] = parts[at];
    if (status / 100 == 2 || says_absent(status, error.code)) continue;
    left.push_back({keys[at], status, error, is_kept(error.code)});
  }
  require_removed(left, keys.size());
}

/// A legal hold, and a policy of the whole container, have no end that the blob tells.
std::optional<Timestamp> Azure::kept_until(std::string_view key) {
  const HttpResponse response = send(stat_request(key));
  if (response.header("x-ms-legal-hold") == "true") return std::nullopt;
  return parse_http_date(response.header("x-ms-immutability-policy-until-date"));
}

}  // namespace

std::unique_ptr<Driver> make_azure(AzureSettings settings, std::filesystem::path kept_credentials) {
  return std::make_unique<Azure>(std::move(settings), std::move(kept_credentials));
}

}  // namespace pgcairn::storage
