#include "gcs/oauth.hpp"

#include "http/answer.hpp"
#include "http/uri.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/digest.hpp>
#include <pgcairn/crypto/rsa.hpp>

#include <algorithm>

namespace pgcairn::storage {

namespace {

namespace fs = std::filesystem;
using Form = std::vector<std::pair<std::string, std::string>>;

// All that is asked for: objects are read, written and removed. Impersonation is another API's,
// which has no narrower scope.
constexpr const char* kStorageScope = "https://www.googleapis.com/auth/devstorage.read_write";
constexpr const char* kCloudScope = "https://www.googleapis.com/auth/cloud-platform";
constexpr const char* kTokenService = "https://oauth2.googleapis.com/token";
constexpr std::chrono::seconds kTokenLasts{3600};
constexpr std::size_t kMostWords = 200;  // of a service's error

/// The alphabet of JSON Web Tokens.
std::string base64_url(Bytes bytes) {
  std::string text = crypto::base64(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

/// What a token service says of its refusal: OAuth's two members, or those of Google's APIs. Other
/// text may hold anything, so it is not shown.
std::string refusal(std::string_view text) {
  JsonDocument document("");
  try {
    const JsonValue root = document.parse(text);
    if (const auto words = root.find("error_description"))
      return format("{} ({})", root["error"].string(), words->string().substr(0, kMostWords));
    return std::string(root["error"]["message"].string().substr(0, kMostWords));
  } catch (const DamagedError&) {
    return {};
  }
}

std::string hint_of(const std::string& words) {
  if (words.find("timeframe") != std::string::npos) return "set this machine's clock";
  if (words.find("invalid_grant") != std::string::npos)
    return "these credentials are no longer valid: create new ones, and check which account they "
           "are of";
  return {};
}

/// The text of the answer to a request for a token. Says who refused, and why, but never what was
/// sent.
std::string text_of(const HttpResponse& response, const HttpRequest& request) {
  if (response.status == 200) return std::string(as_text(response.body));
  const std::string words = refusal(as_text(response.body));
  const std::string message =
      format("asking {} for a token failed: {}{}{}", request.url.substr(0, request.url.find('?')),
             response.status, words.empty() ? "" : " ", words);
  if (may_pass(response.status)) throw_transient(response, message);
  throw Error(message, hint_of(words));
}

/// What `read` makes of JSON that holds secrets: errors say what is missing, no word of the rest.
template <class Read>
auto from_json(std::string_view text, const std::string& where, Read read) {
  JsonDocument document(where);
  try {
    return read(document.parse(text));
  } catch (const DamagedError& error) {
    throw Error(format("the answer of {} with credentials has an unknown format: {}", where,
                       error.cause()));
  }
}

std::string optional_text(const JsonValue& object, std::string_view name,
                          std::string_view otherwise = {}) {
  const auto found = object.find(name);
  return std::string(found ? found->string() : otherwise);
}

/// {"access_token": ..., "expires_in": seconds}.
ExpiringToken parse_token(std::string_view text, const std::string& where, Timestamp now) {
  return from_json(text, where, [&](const JsonValue& root) {
    const auto lasts = root.find("expires_in");
    const std::chrono::seconds seconds(lasts ? lasts->u32() : kTokenLasts.count());
    return ExpiringToken{std::string(root["access_token"].string()), now + seconds};
  });
}

/// Exchanges what a file of credentials holds for a token.
class CredentialsFile {
 public:
  CredentialsFile(const GcsTokenSources& sources, fs::path path, Timestamp now)
      : sources_(sources), path_(std::move(path)), where_('"' + path_.native() + '"'), now_(now) {}

  ExpiringToken token() const {
    const std::string text = needed_file(sources_.machine, path_.native());
    return from_json(text, where_, [&](const JsonValue& file) {
      const std::string_view type = file["type"].string();
      if (type == "service_account") return of_service_account(file);
      if (type == "external_account") return of_federation(file);
      if (type == "authorized_user") return of_user(file);
      throw Error(format("{} holds credentials of type \"{}\"", where_, type),
                  "pgcairn supports service_account, external_account and authorized_user");
    });
  }

 private:
  ExpiringToken ask(const std::string& url, const Form& form) const {
    // Secrets go into the body, since addresses stand in logs.
    const std::string body = canonical_query(form);
    HttpRequest request{"POST", url, {}, as_bytes(body)};
    request.headers["content-type"] = "application/x-www-form-urlencoded";
    return parse_token(text_of(sources_.service(request), request), url, now_);
  }

  ExpiringToken of_service_account(const JsonValue& file) const {
    const std::string url = optional_text(file, "token_uri", kTokenService);
    const std::string jwt = service_account_jwt(
        std::string(file["client_email"].string()), optional_text(file, "private_key_id"),
        std::string(file["private_key"].string()), url, now_);
    return ask(url,
               {{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, {"assertion", jwt}});
  }

  ExpiringToken of_user(const JsonValue& file) const {
    return ask(optional_text(file, "token_uri", kTokenService),
               {{"grant_type", "refresh_token"},
                {"client_id", std::string(file["client_id"].string())},
                {"client_secret", std::string(file["client_secret"].string())},
                {"refresh_token", std::string(file["refresh_token"].string())}});
  }

  /// Workload identity federation: the token of another identity provider for one of Google's
  /// (RFC 8693), and that for one of a service account when the file names it.
  ExpiringToken of_federation(const JsonValue& file) const {
    const std::string account_url = optional_text(file, "service_account_impersonation_url");
    const ExpiringToken federated =
        ask(std::string(file["token_url"].string()),
            {{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
             {"audience", std::string(file["audience"].string())},
             {"scope", account_url.empty() ? kStorageScope : kCloudScope},
             {"requested_token_type", "urn:ietf:params:oauth:token-type:access_token"},
             {"subject_token_type", std::string(file["subject_token_type"].string())},
             {"subject_token", subject_token(file["credential_source"])}});
    if (account_url.empty()) return federated;
    const std::string body =
        format(R"({{"scope":["{}"],"lifetime":"{}s"}})", kStorageScope, kTokenLasts.count());
    HttpRequest request{"POST", account_url, {}, as_bytes(body)};
    request.headers["content-type"] = "application/json";
    request.headers["authorization"] = "Bearer " + federated.keys;
    return from_json(
        text_of(sources_.service(request), request), account_url, [](const JsonValue& root) {
          const auto until = parse_rfc3339(root["expireTime"].string());
          if (!until)
            throw Error("the token of a service account has an expireTime that is not a time");
          return ExpiringToken{std::string(root["accessToken"].string()), *until};
        });
  }

  /// The token of the other identity provider: in a file, or from a service of the machine.
  std::string subject_token(const JsonValue& source) const {
    std::string text;
    std::string from = optional_text(source, "file");
    if (!from.empty()) {
      text = needed_file(sources_.machine, from);
    } else if (const auto url = source.find("url"); url && !source.find("environment_id")) {
      HttpRequest request{"GET", from = url->string(), {}, {}};
      if (const auto headers = source.find("headers")) {
        headers->each_member([&](std::string_view name, const JsonValue& value) {
          request.headers[std::string(name)] = value.string();
        });
      }
      text = trim(text_of(sources_.machine.http(request), request));
    } else {
      throw Error(format("{} takes its token from neither a file nor an address", where_),
                  "federation with AWS or by a program is not supported: use a service account, or "
                  "a credential_source with \"file\" or \"url\"");
    }
    const auto form = source.find("format");
    if (!form || optional_text(*form, "type", "text") == "text") return text;
    const std::string name(form->operator[]("subject_token_field_name").string());
    return from_json(text, from,
                     [&](const JsonValue& root) { return std::string(root[name].string()); });
  }

  const GcsTokenSources& sources_;
  fs::path path_;
  std::string where_;
  Timestamp now_;
};

/// The file that "gcloud auth application-default login" writes.
fs::path gcloud_file(const CredentialSources& machine) {
  constexpr const char* name = "application_default_credentials.json";
  if (const auto folder = machine.variable("CLOUDSDK_CONFIG")) return fs::path(*folder) / name;
  const auto home = machine.variable("HOME");
  return home ? fs::path(*home) / ".config/gcloud" / name : fs::path();
}

/// A token of the machine's own service account. Nothing when there is no metadata server, or when
/// another cloud's answers at its address.
std::optional<ExpiringToken> from_metadata(const CredentialSources& machine, Timestamp now) {
  if (machine.variable("NO_GCE_CHECK").value_or("") == "true") return std::nullopt;
  const std::string host = machine.variable("GCE_METADATA_HOST").value_or("169.254.169.254");
  const std::string url =
      format("http://{}/computeMetadata/v1/instance/service-accounts/default/token", host);
  HttpRequest request{"GET",
                      url + "?" + canonical_query({{"scopes", kStorageScope}}),
                      {{"metadata-flavor", "Google"}},
                      {}};
  HttpResponse response;
  try {
    response = machine.http(request);
  } catch (const TransientError& error) {
    log_detail(format("no metadata server: {}", error.message()));
    return std::nullopt;
  }
  if (response.header("metadata-flavor") != "Google") {
    log_detail(format("the server at {} is not a Google metadata server", host));
    return std::nullopt;
  }
  if (response.status == 404) {
    throw Error(format("the metadata server at {} has no service account for this machine", host),
                "attach a service account to the machine, or name a key with gcs-key-file");
  }
  return parse_token(text_of(response, request), url, now);
}

}  // namespace

std::string service_account_jwt(const std::string& account, const std::string& key_id,
                                const std::string& private_key, const std::string& audience,
                                Timestamp now) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  JsonWriter header;
  header.begin_object().member("alg", "RS256").member("typ", "JWT");
  if (!key_id.empty()) header.member("kid", key_id);
  header.end_object();
  JsonWriter claims;
  claims.begin_object().member("iss", account).member("scope", kStorageScope);
  claims.member("aud", audience).member("iat", std::int64_t{seconds});
  claims.member("exp", std::int64_t{seconds + kTokenLasts.count()}).end_object();
  const std::string what =
      base64_url(as_bytes(header.text())) + "." + base64_url(as_bytes(claims.text()));
  return what + "." + base64_url(crypto::sign_rs256(private_key, as_bytes(what)));
}

ExpiringToken find_gcs_token(const GcsSettings& settings, const GcsTokenSources& sources,
                             Timestamp now) {
  if (!settings.token.empty()) return {settings.token, {}};
  const auto of_file = [&](const fs::path& path) {
    return CredentialsFile(sources, path, now).token();
  };
  if (!settings.key_file.empty()) return of_file(settings.key_file);
  const CredentialSources& machine = sources.machine;
  if (const auto token = machine.variable("CLOUDSDK_AUTH_ACCESS_TOKEN")) return {*token, {}};
  if (const auto file = machine.variable("GOOGLE_APPLICATION_CREDENTIALS")) return of_file(*file);
  const fs::path gcloud = gcloud_file(machine);
  if (!gcloud.empty() && machine.file(gcloud)) return of_file(gcloud);
  if (const auto found = from_metadata(machine, now)) return *found;
  throw UsageError(
      format("there are no credentials for Google Cloud Storage: neither gcs-key-file nor "
             "gcs-token in the configuration, nor GOOGLE_APPLICATION_CREDENTIALS in the "
             "environment, nor \"{}\", nor a service account of this machine",
             gcloud.native()),
      "archive_command runs with the server's environment: gcs-key-file, a file that only the "
      "server's user may read, serves every command");
}

std::string gcs_token_found_by(const GcsSettings& settings) {
  return format("gcs\n{}\n{}\n{}", settings.token, settings.key_file.native(),
                variables_beginning({"GOOGLE_", "CLOUDSDK_", "GCE_", "NO_GCE_CHECK=", "HOME="}));
}

}  // namespace pgcairn::storage
