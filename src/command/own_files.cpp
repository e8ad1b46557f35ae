#include "open_repositories.hpp"

#include <pgcairn/common/text.hpp>

#include <cstdlib>

namespace pgcairn::command {

namespace {

namespace fs = std::filesystem;

// Where credentials are looked for besides the configuration (storage, libpq).
constexpr const char* kVariables[] = {"AWS_SHARED_CREDENTIALS_FILE",
                                      "AWS_WEB_IDENTITY_TOKEN_FILE",
                                      "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                                      "AZURE_FEDERATED_TOKEN_FILE",
                                      "GOOGLE_APPLICATION_CREDENTIALS",
                                      "CLOUDSDK_CONFIG",
                                      "PGPASSFILE",
                                      "PGSERVICEFILE"};
constexpr const char* kInHome[] = {".aws", ".config/gcloud", ".pgpass", ".pg_service.conf"};

}  // namespace

std::vector<engine::NamedPlace> own_files(const Settings& settings) {
  std::vector<engine::NamedPlace> files;
  const auto add = [&](std::string name, const fs::path& path) {
    files.push_back({engine::PlaceKind::file, std::move(name), path, ""});
  };
  if (!settings.config.empty()) add("the configuration file of pgcairn", settings.config);
  for (const ReadFile& file : settings.read_files) add(file.name, file.path);
  add("the program itself", own_path());
  for (const char* const name : kVariables) {
    const char* const value = std::getenv(name);
    if (value != nullptr && *value == '/')
      add(format("what the environment variable {} names", name), value);
  }
  const char* const home = std::getenv("HOME");
  for (const char* const name : kInHome) {
    std::error_code unknown;
    if (home == nullptr || *home != '/' || !fs::exists(fs::path(home) / name, unknown)) continue;
    add(format("\"{}\" in the home directory", name), fs::path(home) / name);
  }
  return files;
}

}  // namespace pgcairn::command
