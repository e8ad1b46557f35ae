#include "remote_store.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <cstdlib>

namespace pgcairn::test {

namespace {

std::string variable(const std::string& name) {
  const char* const value = std::getenv(("PGCAIRN_TEST_" + name).c_str());
  return value == nullptr ? "" : value;
}

storage::NetworkSettings network() {
  storage::NetworkSettings network;
  network.ca_file = variable("CA");
  return network;
}

std::unique_ptr<storage::Driver> make_s3(const std::string& prefix) {
  storage::S3Settings settings;
  settings.endpoint = variable("ENDPOINT");
  settings.bucket = variable("BUCKET");
  settings.prefix = prefix;
  settings.path_style = true;
  settings.network = network();
  return storage::make_s3(settings);
}

std::unique_ptr<storage::Driver> make_gcs(const std::string& prefix) {
  storage::GcsSettings settings;
  settings.endpoint = variable("ENDPOINT");
  settings.bucket = variable("BUCKET");
  settings.prefix = prefix;
  settings.network = network();
  return storage::make_gcs(settings);
}

std::unique_ptr<storage::Driver> make_azure(const std::string& prefix) {
  storage::AzureSettings settings;
  settings.account = variable("ACCOUNT");
  settings.container = variable("BUCKET");
  settings.endpoint = variable("ENDPOINT");
  settings.prefix = prefix;
  settings.path_style = true;
  settings.network = network();
  return storage::make_azure(settings);
}

}  // namespace

bool has_remote_store() {
  const std::string store = variable("STORE");
  return !store.empty() && store != "posix" && store != "memory";
}

bool is_chosen(const std::string& store) {
  return variable("STORE").empty() || variable("STORE") == store;
}

std::unique_ptr<storage::Driver> make_remote_store(const std::string& prefix) {
  if (variable("STORE") == "s3") return make_s3(prefix);
  if (variable("STORE") == "gcs") return make_gcs(prefix);
  if (variable("STORE") == "azure") return make_azure(prefix);
  throw Error(format("PGCAIRN_TEST_STORE is \"{}\"", variable("STORE")));
}

}  // namespace pgcairn::test
