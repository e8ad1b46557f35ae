#include "http/credential_sources.hpp"

#include <pgcairn/common/command_output.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <cstdlib>

namespace pgcairn::storage {

namespace {

constexpr std::uint64_t kMostAnswerBytes = 64 * kKiB;

std::string run_command(const std::string& command, const std::string& setting) {
  std::string output(kMostAnswerBytes, '\0');
  const MutableBytes out(reinterpret_cast<std::byte*>(output.data()), output.size());
  output.resize(read_command_output(command, setting, out));
  return output;
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
  sources.http = [](const HttpRequest& request) {
    HttpSettings settings;
    // Services of the machine itself; where there is none, nobody waits long for it.
    settings.connect_timeout = milliseconds(2000);
    settings.idle_timeout = settings.whole_timeout = milliseconds(10'000);
    // Plain HTTP is what services of the machine itself speak. A proxy would tell its own identity.
    settings.direct = request.url.starts_with("http://");
    return HttpClient(settings).send(request);
  };
  sources.output_of = run_command;
  return sources;
}

std::string needed_variable(const CredentialSources& sources, const std::string& name) {
  const auto value = sources.variable(name);
  if (!value) throw UsageError(format("{} is not in the environment", name));
  return *value;
}

std::string needed_file(const CredentialSources& sources, const std::string& path) {
  const auto text = sources.file(path);
  if (!text) throw SystemError(format("cannot open \"{}\"", path), ENOENT);
  return std::string(trim(*text));
}

std::string credentials_answer(const CredentialSources& sources, HttpRequest request) {
  request.most_body_bytes = kMostAnswerBytes;
  HttpResponse response = sources.http(request);
  if (response.status != 200) {
    const std::string message =
        format("asking {} for credentials failed: {}", request.url.substr(0, request.url.find('?')),
               response.status);
    if (response.status >= 500 || response.status == 429) throw TransientError(message);
    throw Error(message);
  }
  return std::string(as_text(response.body));
}

}  // namespace pgcairn::storage
