#pragma once

#include "http/credential_sources.hpp"
#include "http/renewed_credentials.hpp"

#include <pgcairn/storage/drivers.hpp>

#include <string>

namespace pgcairn::storage {

using ExpiringToken = Expiring<std::string>;

/// Where tokens for Google Cloud Storage come from.
struct GcsTokenSources {
  CredentialSources machine;  // variables, files, services of the machine itself
  /// Google's services across the network: as the store is reached, by the same proxy.
  std::function<HttpResponse(const HttpRequest& request)> service;
};

/// A token of the first place that has one: gcs-token, the credentials file gcs-key-file,
/// CLOUDSDK_AUTH_ACCESS_TOKEN, the file that GOOGLE_APPLICATION_CREDENTIALS names, the one that
/// gcloud keeps for its user, the metadata server of the machine (Compute Engine, GKE, Cloud Run).
/// A file holds the key of a service account, a workload identity federation or a user's login.
/// Throws UsageError naming the places when none has; Error when a place that is configured fails.
ExpiringToken find_gcs_token(const GcsSettings& settings, const GcsTokenSources& sources,
                             Timestamp now);
/// What decides which token find_gcs_token() finds on this machine; see CredentialCache.
std::string gcs_token_found_by(const GcsSettings& settings);

/// What a service account signs to get a token (RFC 7523): a JWT for an hour.
std::string service_account_jwt(const std::string& account, const std::string& key_id,
                                const std::string& private_key, const std::string& audience,
                                Timestamp now);

}  // namespace pgcairn::storage
