#include "repository_settings.hpp"

#include "values.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

class Section {
 public:
  Section(const ConfigFile& file, const std::string& name, const std::filesystem::path& path)
      : file_(file), name_(name), path_(path) {}

  RepositorySettings load() const {
    RepositorySettings repository;
    repository.name = name_;
    repository.type = required("type", "posix");
    refuse_other_stores(repository.type);
    repository.is_remote = repository.type != "posix";
    repository.has_secrets = has_secrets();
    if (repository.type == "s3") {
      repository.make_driver = [s3 = s3()] { return storage::make_s3(s3); };
    } else {
      repository.path = required("path", "/var/lib/pgcairn");
      repository.make_driver = [path = repository.path] { return storage::make_posix(path); };
    }
    return repository;
  }

 private:
  std::string text(std::string_view key, std::string_view otherwise = {}) const {
    const ConfigEntry* const entry = file_.find(in_repo, name_, key);
    return entry != nullptr ? entry->value : std::string(otherwise);
  }

  bool flag(std::string_view key, bool otherwise) const {
    return is_true(text(key, otherwise ? "true" : "false"));
  }

  std::string required(std::string_view key, std::string_view example) const {
    if (file_.find(in_repo, name_, key) != nullptr) return text(key);
    throw UsageError(format("{}: [repo.{}] has no key \"{}\"", path_.string(), name_, key),
                     format("add a line like: {} = \"{}\"", key, example));
  }

  [[noreturn]] void refuse(std::string_view key, std::string_view why,
                           const std::string& hint) const {
    throw UsageError(format("{}: {} of [repo.{}] {}", path_.string(), key, name_, why), hint);
  }

  /// The kinds of store that know `key`, as a pattern; empty: all.
  static std::string_view store_of(std::string_view key) {
    if (key.starts_with("s3-")) return "s3";
    for (const std::string_view shared :
         {"ca-file", "tls-verify", "io-timeout", "allow-http", "proxy"})
      if (key == shared) return "network";
    return {};
  }

  /// A key that another kind of store has is a mistake here that would go unseen.
  void refuse_other_stores(std::string_view type) const {
    for (const ConfigEntry& entry : file_.entries) {
      if (entry.section != in_repo || entry.name != name_) continue;
      const std::string_view store = store_of(entry.option->name);
      const bool known = store.empty() || store == type || (store == "network" && type != "posix");
      if (!known)
        refuse(entry.option->name, format("has no meaning with type = \"{}\"", type),
               "remove it, or change the type");
    }
  }

  /// Whether this section itself holds what opens the store.
  bool has_secrets() const {
    static constexpr std::string_view secrets[] = {"s3-key-secret", "s3-token"};
    return std::any_of(std::begin(secrets), std::end(secrets), [&](std::string_view key) {
      return file_.find(in_repo, name_, key) != nullptr;
    });
  }

  storage::NetworkSettings network() const {
    storage::NetworkSettings network;
    network.ca_file = text("ca-file");
    network.verify_tls = flag("tls-verify", true);
    network.io_timeout = std::max(*parse_duration(text("io-timeout", "30s")), milliseconds(1000));
    network.proxy = text("proxy");
    if (!network.proxy.empty() && !network.proxy.starts_with("http://") &&
        !network.proxy.starts_with("https://"))
      refuse("proxy", "is no address of a proxy", "write it like http://proxy.example.com:3128");
    return network;
  }

  storage::S3Settings s3() const {
    storage::S3Settings s3;
    s3.bucket = required("s3-bucket", "my-backups");
    s3.prefix = prefix();
    s3.region = text("s3-region", s3.region);
    s3.endpoint = endpoint("s3-endpoint");
    s3.path_style = text("s3-uri-style") == "path";
    s3.storage_class = text("s3-storage-class");
    s3.encryption = text("s3-sse");
    s3.kms_key = text("s3-kms-key-id");
    s3.requester_pays = flag("s3-requester-pays", false);
    s3.network = network();
    s3.credentials = {text("s3-key"), text("s3-key-secret"), text("s3-token"),
                      text("s3-credential-process"), text("s3-profile")};
    if (s3.credentials.access_key.empty() != s3.credentials.secret_key.empty())
      refuse("s3-key", "and s3-key-secret go together", "set both, or none");
    return s3;
  }

  /// "/a/b" is where keys begin with "a/b/".
  std::string prefix() const {
    std::string prefix = text("path");
    prefix.erase(0, prefix.find_first_not_of('/'));
    while (prefix.ends_with('/')) prefix.pop_back();
    if (prefix.empty()) return {};
    try {
      storage::check_key(prefix);
    } catch (const Error& error) {
      refuse("path", format("cannot be used: {}", error.message()), "take letters and digits");
    }
    return prefix + "/";
  }

  std::string endpoint(std::string_view key) const {
    std::string endpoint = text(key);
    if (endpoint.empty()) return endpoint;
    if (endpoint.find("://") == std::string::npos) endpoint = "https://" + endpoint;
    while (endpoint.ends_with('/')) endpoint.pop_back();
    const bool plain = endpoint.starts_with("http://");
    if (!plain && !endpoint.starts_with("https://"))
      refuse(key, "is no address of HTTPS", "write it like https://s3.example.com:9000");
    if (endpoint.find('/', endpoint.find("://") + 3) != std::string::npos)
      refuse(key, "has a path", "the bucket is told by s3-bucket, the place in it by path");
    if (plain && !flag("allow-http", false))
      refuse(key, "is without TLS: anybody on the way could read and change the backups",
             "use https://, or add allow-http = true where that is acceptable");
    return endpoint;
  }

  const ConfigFile& file_;
  const std::string& name_;
  const std::filesystem::path& path_;
};

}  // namespace

RepositorySettings load_repository(const ConfigFile& file, const std::string& name,
                                   const std::filesystem::path& path) {
  return Section(file, name, path).load();
}

std::vector<std::string> repositories_named(const ConfigFile& file, const Value& wanted) {
  if (wanted.text == kAllRepositories) return file.repositories;
  const std::vector<std::string>& known = file.repositories;
  const std::vector<std::string> names = split(wanted.text, ',');
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto near = nearest(name, known);
    throw UsageError(format("{}: no repository \"{}\" is configured", wanted.origin, name),
                     near ? format("did you mean \"{}\"?", *near)
                          : format("configured are {}", quoted_list(known)));
  }
  std::vector<std::string> found;
  for (const std::string& name : known) {
    if (std::find(names.begin(), names.end(), name) != names.end()) found.push_back(name);
  }
  return found;
}

}  // namespace pgcairn::command
