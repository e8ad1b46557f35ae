#include "credential_sources.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>

#include <sys/wait.h>

namespace pgcairn::storage {

namespace {

constexpr std::uint64_t kMostAnswerBytes = 64 * kKiB;
constexpr int kCommandSeconds = 60;
constexpr int kTimedOut = 124;  // of timeout(1)

/// The command may hold a secret itself: errors name the setting that holds it.
std::string run_command(const std::string& command, const std::string& setting) {
  const std::string limited =
      format("exec timeout {} sh -c {}", kCommandSeconds, shell_quote(command));
  std::FILE* const pipe = ::popen(limited.c_str(), "re");
  if (pipe == nullptr) throw SystemError("cannot run " + setting, errno);
  std::string output;
  std::array<char, 4096> piece{};
  while (const std::size_t count = std::fread(piece.data(), 1, piece.size(), pipe)) {
    output.append(piece.data(), count);
    if (output.size() > kMostAnswerBytes) break;
  }
  const int status = ::pclose(pipe);
  if (status != 0) {
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    throw Error(format("the command of {} failed with status {}{}", setting, code,
                       code == kTimedOut ? ": it took too long" : ""),
                "run it by hand, as the user that pgcairn runs as");
  }
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
