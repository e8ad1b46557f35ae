#include "s3/credentials.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>

#include <pugixml.hpp>

namespace pgcairn::storage {

namespace {

std::filesystem::path profile_file(const CredentialSources& sources) {
  if (const auto named = sources.variable("AWS_SHARED_CREDENTIALS_FILE")) return *named;
  const auto home = sources.variable("HOME");
  return home ? std::filesystem::path(*home) / ".aws/credentials" : std::filesystem::path();
}

std::string profile_name(const S3Settings& settings, const CredentialSources& sources) {
  if (!settings.credentials.profile.empty()) return settings.credentials.profile;
  return sources.variable("AWS_PROFILE").value_or("default");
}

std::optional<ExpiringS3Keys> from_web_identity(const S3Settings& settings,
                                                const CredentialSources& sources) {
  const auto token_file = sources.variable("AWS_WEB_IDENTITY_TOKEN_FILE");
  if (!token_file) return std::nullopt;
  const std::string name = sources.variable("AWS_ROLE_SESSION_NAME").value_or("pgcairn");
  const std::string where = sources.variable("AWS_ENDPOINT_URL_STS")
                                .value_or(format("https://sts.{}.amazonaws.com", settings.region));
  // The token goes into the body, since addresses stand in logs.
  const std::string body =
      canonical_query({{"Action", "AssumeRoleWithWebIdentity"},
                       {"Version", "2011-06-15"},
                       {"RoleArn", needed_variable(sources, "AWS_ROLE_ARN")},
                       {"RoleSessionName", name},
                       {"WebIdentityToken", needed_file(sources, *token_file)}});
  HttpRequest request{"POST", where + "/", {}, as_bytes(body)};
  request.headers["content-type"] = "application/x-www-form-urlencoded";
  return parse_sts_keys(credentials_answer(sources, request), where);
}

std::optional<ExpiringS3Keys> from_container(const CredentialSources& sources) {
  std::string url;
  if (const auto relative = sources.variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"))
    url = "http://169.254.170.2" + *relative;
  if (const auto full = sources.variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")) url = *full;
  if (url.empty()) return std::nullopt;
  HttpRequest request{"GET", url, {}, {}};
  if (const auto token = sources.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"))
    request.headers["authorization"] = *token;
  if (const auto file = sources.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"))
    request.headers["authorization"] = needed_file(sources, *file);
  return parse_json_keys(credentials_answer(sources, request), url);
}

/// The metadata service of an EC2 machine, version 2. Nothing when there is none.
std::optional<ExpiringS3Keys> from_metadata(const CredentialSources& sources) {
  if (sources.variable("AWS_EC2_METADATA_DISABLED").value_or("") == "true") return std::nullopt;
  const std::string where =
      sources.variable("AWS_EC2_METADATA_SERVICE_ENDPOINT").value_or("http://169.254.169.254");
  std::map<std::string, std::string> headers;
  try {
    HttpRequest request{"PUT", where + "/latest/api/token", {}, {}};
    request.headers["x-aws-ec2-metadata-token-ttl-seconds"] = "21600";
    headers["x-aws-ec2-metadata-token"] = credentials_answer(sources, request);
  } catch (const Error& error) {
    log_detail(format("no metadata service: {}", error.message()));
    return std::nullopt;
  }
  const std::string roles = where + "/latest/meta-data/iam/security-credentials/";
  const std::string role(trim(credentials_answer(sources, {"GET", roles, headers, {}})));
  return parse_json_keys(credentials_answer(sources, {"GET", roles + role, headers, {}}),
                         roles + role);
}

}  // namespace

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

ExpiringS3Keys parse_json_keys(std::string_view text, const std::string& where) {
  try {
    JsonDocument document(where);
    const JsonValue root = document.parse(text);
    ExpiringS3Keys found;
    found.keys.access_key = root["AccessKeyId"].string();
    found.keys.secret_key = root["SecretAccessKey"].string();
    // Commands call it SessionToken.
    for (const char* const name : {"Token", "SessionToken"}) {
      if (const auto token = root.find(name)) found.keys.session_token = token->string();
    }
    if (const auto until = root.find("Expiration")) {
      found.until = parse_utc(until->string());
      if (!found.until) throw Error("its Expiration is not a time");
    }
    return found;
  } catch (const Error&) {
    // The answer may hold a secret: not a word of it.
    throw Error(format("the answer of {} with credentials has an unknown format", where));
  }
}

ExpiringS3Keys parse_sts_keys(std::string_view text, const std::string& where) {
  pugi::xml_document document;
  document.load_buffer(text.data(), text.size());
  const pugi::xml_node credentials =
      document.document_element().child("AssumeRoleWithWebIdentityResult").child("Credentials");
  ExpiringS3Keys found;
  found.keys.access_key = credentials.child_value("AccessKeyId");
  found.keys.secret_key = credentials.child_value("SecretAccessKey");
  found.keys.session_token = credentials.child_value("SessionToken");
  found.until = parse_utc(credentials.child_value("Expiration"));
  if (found.keys.access_key.empty() || found.keys.secret_key.empty() || !found.until)
    throw Error(format("the answer of {} with credentials has an unknown format", where));
  return found;
}

ExpiringS3Keys find_s3_keys(const S3Settings& settings, const CredentialSources& sources) {
  const S3Credentials& configured = settings.credentials;
  if (!configured.access_key.empty())
    return {{configured.access_key, configured.secret_key, configured.session_token}, {}};
  if (!configured.process.empty())
    return parse_json_keys(sources.output_of(configured.process, "s3-credential-process"),
                           "s3-credential-process");
  const auto access = sources.variable("AWS_ACCESS_KEY_ID");
  const auto secret = sources.variable("AWS_SECRET_ACCESS_KEY");
  if (configured.profile.empty()) {
    if (access && secret)
      return {{*access, *secret, sources.variable("AWS_SESSION_TOKEN").value_or("")}, {}};
    if (const auto found = from_web_identity(settings, sources)) return *found;
  }
  const std::filesystem::path path = profile_file(sources);
  const std::string profile = profile_name(settings, sources);
  const auto text = path.empty() ? std::nullopt : sources.file(path);
  const auto keys = text ? parse_profile(*text, profile) : std::nullopt;
  if (keys) return {*keys, {}};
  if (configured.profile.empty()) {
    if (const auto found = from_container(sources)) return *found;
    if (const auto found = from_metadata(sources)) return *found;
  }
  throw UsageError(
      format("there are no credentials for S3: neither s3-key in the configuration, nor "
             "AWS_ACCESS_KEY_ID in the environment, nor profile \"{}\" in \"{}\", nor a role of "
             "this pod or machine",
             profile, path.native()),
      "archive_command runs with the server's environment: keys in the configuration file (which "
      "only the server's user may read) or in its ~/.aws/credentials serve every command");
}

std::string s3_keys_found_by(const S3Settings& settings) {
  const S3Credentials& configured = settings.credentials;
  return format("s3\n{}\n{}\n{}\n{}\n{}", configured.access_key, configured.process,
                configured.profile, settings.region, variables_beginning({"AWS_", "HOME="}));
}

}  // namespace pgcairn::storage
