#include "s3_credentials.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <cstdlib>

namespace pgcairn::storage {

namespace {

fs::path profile_file(const CredentialSources& sources) {
  if (const auto named = sources.variable("AWS_SHARED_CREDENTIALS_FILE")) return *named;
  const auto home = sources.variable("HOME");
  return home ? fs::path(*home) / ".aws/credentials" : fs::path();
}

}  // namespace

CredentialSources system_sources() {
  CredentialSources sources;
  sources.variable = [](const std::string& name) -> std::optional<std::string> {
    const char* const value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') return std::nullopt;
    return value;
  };
  sources.file = [](const fs::path& path) -> std::optional<std::string> {
    const auto content = read_file_if_exists(path, kMiB);
    if (!content) return std::nullopt;
    return std::string(as_text(*content));
  };
  return sources;
}

std::optional<S3Keys> parse_profile(std::string_view text, std::string_view profile) {
  S3Keys keys;
  bool ours = false;
  for (const std::string& line : split(text, '\n')) {
    const std::string_view words = trim(line);
    if (words.empty() || words.front() == '#' || words.front() == ';') continue;
    if (words.front() == '[') {
      ours = words.back() == ']' && trim(words.substr(1, words.size() - 2)) == profile;
      continue;
    }
    const std::size_t equals = words.find('=');
    if (!ours || equals == std::string_view::npos) continue;
    const std::string_view name = trim(words.substr(0, equals));
    const std::string value(trim(words.substr(equals + 1)));
    if (name == "aws_access_key_id") keys.access_key = value;
    if (name == "aws_secret_access_key") keys.secret_key = value;
    if (name == "aws_session_token") keys.session_token = value;
  }
  if (keys.access_key.empty() || keys.secret_key.empty()) return std::nullopt;
  return keys;
}

S3Keys find_s3_keys(const S3Credentials& credentials, const CredentialSources& sources) {
  if (!credentials.access_key.empty())
    return {credentials.access_key, credentials.secret_key, credentials.session_token};
  const auto access = sources.variable("AWS_ACCESS_KEY_ID");
  const auto secret = sources.variable("AWS_SECRET_ACCESS_KEY");
  if (credentials.profile.empty() && access && secret)
    return {*access, *secret, sources.variable("AWS_SESSION_TOKEN").value_or("")};

  const std::string profile = credentials.profile.empty()
                                  ? sources.variable("AWS_PROFILE").value_or("default")
                                  : credentials.profile;
  const fs::path path = profile_file(sources);
  const auto text = path.empty() ? std::nullopt : sources.file(path);
  const auto keys = text ? parse_profile(*text, profile) : std::nullopt;
  if (keys) return *keys;
  throw UsageError(
      format("there are no credentials for S3: neither s3-key in the configuration, nor "
             "AWS_ACCESS_KEY_ID in the environment, nor profile \"{}\" in \"{}\"",
             profile, path.native()),
      "archive_command runs with the server's environment: keys in the configuration file (which "
      "only the server's user may read) or in its ~/.aws/credentials serve every command");
}

}  // namespace pgcairn::storage
