#pragma once

#include "azure/shared_key.hpp"
#include "http/credential_sources.hpp"
#include "http/renewed_credentials.hpp"

#include <pgcairn/storage/drivers.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace pgcairn::storage {

using ExpiringAzureKeys = Expiring<AzureKeys>;

/// Where keys for Azure come from.
struct AzureKeySources {
  CredentialSources machine;  // variables, files, services of the machine itself
  /// Entra ID, across the network: as the store is reached, by the same proxy.
  std::function<HttpResponse(const HttpRequest& request)> entra;
};

/// The keys of the first place that has some: the configuration (account key, SAS token), the
/// environment (the same), a workload identity, App Service's identity, the machine's. A client id
/// in the configuration leaves only the identities. Throws UsageError naming the places when none
/// has any, or when a key is not one; Error when a place that is configured fails.
ExpiringAzureKeys find_azure_keys(const AzureSettings& settings, const AzureKeySources& sources);
/// What decides which keys find_azure_keys() finds on this machine; see CredentialCache.
std::string azure_keys_found_by(const AzureSettings& settings);

/// What identity services and Entra ID answer, `when` it came: a token, and the seconds that it
/// holds or the time it ends. Throws Error naming `where`.
ExpiringAzureKeys parse_azure_token(std::string_view text, const std::string& where,
                                    Timestamp when);
/// When a shared access signature ends, as it says; nothing when it does not.
std::optional<Timestamp> end_of_sas(std::string_view sas);

}  // namespace pgcairn::storage
