#pragma once

#include "http/credential_sources.hpp"
#include "http/renewed_credentials.hpp"
#include "s3/sigv4.hpp"

#include <pgcairn/storage/drivers.hpp>

#include <optional>
#include <string>

namespace pgcairn::storage {

using ExpiringS3Keys = Expiring<S3Keys>;

/// The keys of the first place that has some: the configuration (keys, or a command that prints
/// them), the environment, a web identity (STS), the shared credentials file, the container's
/// endpoint, the machine's metadata service. Throws UsageError naming the places when none has;
/// Error when a place that is configured fails.
ExpiringS3Keys find_s3_keys(const S3Settings& settings, const CredentialSources& sources);
/// What decides which keys find_s3_keys() finds on this machine; see CredentialCache.
std::string s3_keys_found_by(const S3Settings& settings);

/// The keys of [profile] in a shared credentials file; nothing when it is not there.
std::optional<S3Keys> parse_profile(std::string_view text, std::string_view profile);
/// What metadata services, container endpoints and commands answer. Throws Error naming `where`.
ExpiringS3Keys parse_json_keys(std::string_view text, const std::string& where);
/// STS's answer to AssumeRoleWithWebIdentity.
ExpiringS3Keys parse_sts_keys(std::string_view text, const std::string& where);

}  // namespace pgcairn::storage
