#include "azure/credentials.hpp"

#include "http/answer.hpp"
#include "http/uri.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/digest.hpp>

#include <algorithm>

namespace pgcairn::storage {

namespace {

constexpr const char* kStorage = "https://storage.azure.com/";  // in every cloud of Azure's

std::string client_id(const AzureSettings& settings, const CredentialSources& sources) {
  if (!settings.credentials.client_id.empty()) return settings.credentials.client_id;
  return sources.variable("AZURE_CLIENT_ID").value_or("");
}

ExpiringAzureKeys from_key(std::string_view text, const char* place) {
  const auto key = crypto::parse_base64(trim(text));
  if (!key || key->empty()) {
    throw UsageError(format("{} is not an account key: it is not base64", place),
                     "copy one of the two keys that the portal shows under \"Access keys\"");
  }
  return {{.account_key = std::string(as_text(*key))}, {}};
}

ExpiringAzureKeys from_sas(std::string_view text, const char* place) {
  std::string_view sas = trim(text);
  if (sas.starts_with('?')) sas.remove_prefix(1);
  const bool odd = std::any_of(sas.begin(), sas.end(), [](char c) { return c <= ' ' || c == '#'; });
  if (odd || sas.find("sig=") == std::string_view::npos) {
    throw UsageError(format("{} is not a SAS token", place),
                     "it is the part after the \"?\" of a SAS URL: sv=...&sig=...");
  }
  return {{.sas = std::string(sas)}, {}};
}

/// Why a service refused, in words that hold no secret: Entra ID's number, or the name of the
/// error.
std::string reason_in(std::string_view body) {
  constexpr std::string_view entra = "AADSTS";
  if (const std::size_t at = body.find(entra); at != std::string_view::npos) {
    const std::size_t end = body.find_first_not_of("0123456789", at + entra.size());
    return std::string(body.substr(at, end - at));
  }
  constexpr std::string_view name = "\"error\":\"";
  const std::size_t at = body.find(name);
  if (at == std::string_view::npos) return {};
  const std::string_view word = body.substr(at + name.size());
  return std::string(word.substr(0, word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_")));
}

/// What a service answered to a request for a token.
ExpiringAzureKeys token_in(const HttpResponse& response, const HttpRequest& request,
                           const std::string& hint) {
  const std::string where = request.url.substr(0, request.url.find('?'));
  if (response.status == 200) return parse_azure_token(as_text(response.body), where, now());
  const std::string reason = reason_in(as_text(response.body));
  const std::string message = format("asking {} for a token failed: {}{}{}", where, response.status,
                                     reason.empty() ? "" : " ", reason);
  // 410: the machine's service is being updated.
  if (may_pass(response.status) || response.status == 410) throw_transient(response, message);
  throw Error(message, hint);
}

/// What a pod (or a job of a CI service) is given is exchanged for a token at Entra ID.
std::optional<ExpiringAzureKeys> from_workload(const AzureSettings& settings,
                                               const AzureKeySources& all_sources) {
  const CredentialSources& sources = all_sources.machine;
  const auto file = sources.variable("AZURE_FEDERATED_TOKEN_FILE");
  if (!file) return std::nullopt;
  std::string client = client_id(settings, sources);
  if (client.empty()) client = needed_variable(sources, "AZURE_CLIENT_ID");
  std::string authority =
      sources.variable("AZURE_AUTHORITY_HOST").value_or("https://login.microsoftonline.com");
  while (authority.ends_with('/')) authority.pop_back();
  // The token goes into the body, since addresses stand in logs.
  const std::string body = canonical_query(
      {{"grant_type", "client_credentials"},
       {"client_id", client},
       {"scope", format("{}.default", kStorage)},
       {"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
       {"client_assertion", needed_file(sources, *file)}});
  HttpRequest request{
      "POST",
      format("{}/{}/oauth2/v2.0/token", authority, needed_variable(sources, "AZURE_TENANT_ID")),
      {{"content-type", "application/x-www-form-urlencoded"}},
      as_bytes(body)};
  return token_in(
      all_sources.entra(request), request,
      "the identity's federated credential must name this issuer, subject and audience");
}

/// A query to one of Azure's own services for identities.
std::string identity_query(const AzureSettings& settings, const CredentialSources& sources,
                           const char* version) {
  std::vector<std::pair<std::string, std::string>> query = {{"api-version", version},
                                                            {"resource", kStorage}};
  const std::string client = client_id(settings, sources);
  if (!client.empty()) query.emplace_back("client_id", client);
  return canonical_query(query);
}

constexpr const char* kAssign =
    "assign a managed identity to this machine, and name it by azure-client-id when it has several";

/// App Service, Functions, Container Apps.
std::optional<ExpiringAzureKeys> from_app_service(const AzureSettings& settings,
                                                  const CredentialSources& sources) {
  const auto endpoint = sources.variable("IDENTITY_ENDPOINT");
  const auto header = sources.variable("IDENTITY_HEADER");
  if (!endpoint || !header) return std::nullopt;
  const HttpRequest request{
      "GET",
      format("{}?{}", *endpoint, identity_query(settings, sources, "2019-08-01")),
      {{"x-identity-header", *header}},
      {}};
  return token_in(sources.http(request), request, kAssign);
}

/// The metadata service of a machine in Azure. Nothing when there is none.
std::optional<ExpiringAzureKeys> from_machine(const AzureSettings& settings,
                                              const CredentialSources& sources) {
  std::string host =
      sources.variable("AZURE_POD_IDENTITY_AUTHORITY_HOST").value_or("http://169.254.169.254");
  while (host.ends_with('/')) host.pop_back();
  const HttpRequest request{"GET",
                            format("{}/metadata/identity/oauth2/token?{}", host,
                                   identity_query(settings, sources, "2018-02-01")),
                            {{"metadata", "true"}},
                            {}};
  HttpResponse response;
  try {
    response = sources.http(request);
  } catch (const TransientError& error) {
    // Who names an identity has one.
    if (!client_id(settings, sources).empty()) throw;
    log_detail(format("no metadata service: {}", error.message()));
    return std::nullopt;
  }
  return token_in(response, request, kAssign);
}

/// Identity services write numbers as texts, Entra ID as numbers.
std::chrono::seconds seconds_in(const JsonValue& value) {
  std::uint64_t seconds = 0;
  try {
    seconds = value.u64();
  } catch (const DamagedError&) {
    const auto number = parse_u64(value.string());
    if (!number) throw;
    seconds = *number;
  }
  return std::chrono::seconds(std::min<std::uint64_t>(seconds, UINT32_MAX));
}

}  // namespace

ExpiringAzureKeys parse_azure_token(std::string_view text, const std::string& where,
                                    Timestamp when) {
  try {
    JsonDocument document(where);
    const JsonValue root = document.parse(text);
    ExpiringAzureKeys found{{.token = std::string(root["access_token"].string())}, {}};
    const auto until = root.find("expires_on");
    found.until = until ? Timestamp(seconds_in(*until)) : when + seconds_in(root["expires_in"]);
    if (!found.keys.token.empty()) return found;
  } catch (const Error&) {
    // The answer may hold a secret: not a word of it.
  }
  throw Error(format("the answer of {} with a token has an unknown format", where));
}

std::optional<Timestamp> end_of_sas(std::string_view sas) {
  for (const std::string& part : split(sas, '&')) {
    if (part.starts_with("se=")) return parse_utc(unescape_bytes(part.substr(3)));
  }
  return std::nullopt;
}

ExpiringAzureKeys find_azure_keys(const AzureSettings& settings, const AzureKeySources& sources) {
  const AzureCredentials& configured = settings.credentials;
  if (!configured.key.empty()) return from_key(configured.key, "azure-key");
  if (!configured.sas_token.empty()) return from_sas(configured.sas_token, "azure-sas-token");
  if (configured.client_id.empty()) {
    if (const auto key = sources.machine.variable("AZURE_STORAGE_KEY"))
      return from_key(*key, "AZURE_STORAGE_KEY");
    if (const auto sas = sources.machine.variable("AZURE_STORAGE_SAS_TOKEN"))
      return from_sas(*sas, "AZURE_STORAGE_SAS_TOKEN");
  }
  if (const auto found = from_workload(settings, sources)) return *found;
  if (const auto found = from_app_service(settings, sources.machine)) return *found;
  if (const auto found = from_machine(settings, sources.machine)) return *found;
  throw UsageError(
      "there are no credentials for Azure: neither azure-key or azure-sas-token in the "
      "configuration, nor AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN in the environment, nor an "
      "identity of this pod or machine",
      "archive_command runs with the server's environment: a key in the configuration file (which "
      "only the server's user may read) or an identity of the machine serves every command");
}

std::string azure_keys_found_by(const AzureSettings& settings) {
  const auto& [key, sas, client] = settings.credentials;
  return format("azure\n{}\n{}\n{}\n{}", key, sas, client,
                variables_beginning({"AZURE_", "IDENTITY_"}));
}

}  // namespace pgcairn::storage
