#pragma once

#include "sigv4.hpp"

#include <pgcairn/storage/drivers.hpp>

#include <functional>
#include <optional>
#include <string>

namespace pgcairn::storage {

/// The world as credentials are looked for in it.
struct CredentialSources {
  std::function<std::optional<std::string>(const std::string& name)> variable;
  std::function<std::optional<std::string>(const std::filesystem::path& path)> file;
};
CredentialSources system_sources();

/// The keys of the first place that has some: the configuration, the environment
/// (AWS_ACCESS_KEY_ID and its like), the shared credentials file. Throws UsageError naming the
/// places when none has.
S3Keys find_s3_keys(const S3Credentials& credentials, const CredentialSources& sources);

/// The keys of [profile] in a shared credentials file; nothing when it is not there.
std::optional<S3Keys> parse_profile(std::string_view text, std::string_view profile);

}  // namespace pgcairn::storage
