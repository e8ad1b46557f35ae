#pragma once

#include "http.hpp"
#include "sigv4.hpp"

#include <pgcairn/common/time.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <functional>
#include <mutex>
#include <optional>
#include <string>

namespace pgcairn::storage {

/// The world as credentials are looked for in it.
struct CredentialSources {
  std::function<std::optional<std::string>(const std::string& name)> variable;
  std::function<std::optional<std::string>(const std::filesystem::path& path)> file;
  std::function<HttpResponse(const HttpRequest& request)> http;
  /// What a command for the shell prints. Throws Error when it fails.
  std::function<std::string(const std::string& command)> output_of;
};
CredentialSources system_sources();

/// Keys, and how long they hold: for ever when that is not said.
struct FoundKeys {
  S3Keys keys;
  std::optional<Timestamp> until{};
};

/// The keys of the first place that has some: the configuration (keys, or a command that prints
/// them), the environment, a web identity (STS), the shared credentials file, the container's
/// endpoint, the machine's metadata service. Throws UsageError naming the places when none has;
/// Error when a place that is configured fails.
FoundKeys find_s3_keys(const S3Settings& settings, const CredentialSources& sources);

/// The keys of [profile] in a shared credentials file; nothing when it is not there.
std::optional<S3Keys> parse_profile(std::string_view text, std::string_view profile);
/// What metadata services, container endpoints and commands answer. Throws Error naming `where`.
FoundKeys parse_json_keys(std::string_view text, const std::string& where);
/// STS's answer to AssumeRoleWithWebIdentity.
FoundKeys parse_sts_keys(std::string_view text, const std::string& where);

/// Keys that are fetched again before they run out. Safe to call from many threads.
class S3KeyRing {
 public:
  S3KeyRing(const S3Settings& settings, CredentialSources sources, Clock& clock = system_clock());
  S3Keys get();

 private:
  const S3Settings& settings_;
  CredentialSources sources_;
  Clock& clock_;
  std::mutex mutex_;
  FoundKeys found_;
};

}  // namespace pgcairn::storage
