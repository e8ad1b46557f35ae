#pragma once

#include "http/client.hpp"

#include <pgcairn/common/time.hpp>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace pgcairn::storage {

/// The world as credentials are looked for in it.
struct CredentialSources {
  std::function<std::optional<std::string>(const std::string& name)> variable;
  std::function<std::optional<std::string>(const std::filesystem::path& path)> file;
  std::function<HttpResponse(const HttpRequest& request)> http;
  /// What a command for the shell prints; `setting` is where it stands. Throws Error when it fails.
  std::function<std::string(const std::string& command, const std::string& setting)> output_of;
};
CredentialSources system_sources();

/// A variable that another one makes necessary. Throws UsageError naming it.
std::string needed_variable(const CredentialSources& sources, const std::string& name);
/// A file that the configuration or the environment names, without white space around it. Throws
/// SystemError when it is not there.
std::string needed_file(const CredentialSources& sources, const std::string& path);
/// The body of the answer to `request`, which asks for credentials. Throws when its status is not
/// 200; the error holds no word of the answer, which may be a secret.
std::string credentials_answer(const CredentialSources& sources, HttpRequest request);

}  // namespace pgcairn::storage
