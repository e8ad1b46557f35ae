#include "settings/repository_settings.hpp"

#include "settings/values.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>

namespace pgcairn::command {

namespace {

namespace fs = std::filesystem;

template <class StoreSettings>
StoreSettings at_most_silent(StoreSettings settings, milliseconds silence) {
  settings.network.io_timeout = std::min(settings.network.io_timeout, silence);
  return settings;
}

class Section {
 public:
  Section(const ConfigFile& file, const std::string& name, const std::filesystem::path& path,
          const std::string& passphrase, bool frees_space)
      : file_(file), name_(name), path_(path), passphrase_(passphrase), frees_space_(frees_space) {}

  RepositorySettings load() const {
    RepositorySettings repository;
    repository.name = name_;
    repository.type = required("type", "posix");
    refuse_other_stores(repository.type);
    repository.is_remote = repository.type != "posix";
    repository.has_secrets = has_secrets();
    if (repository.type == "s3") {
      repository.make_driver = [s3 = s3()](const fs::path& kept, milliseconds silence) {
        return storage::make_s3(at_most_silent(s3, silence), kept);
      };
    } else if (repository.type == "gcs") {
      repository.make_driver = [gcs = gcs()](const fs::path& kept, milliseconds silence) {
        return storage::make_gcs(at_most_silent(gcs, silence), kept);
      };
    } else if (repository.type == "azure") {
      repository.make_driver = [azure = azure()](const fs::path& kept, milliseconds silence) {
        return storage::make_azure(at_most_silent(azure, silence), kept);
      };
    } else {
      repository.path = required("path", "/var/lib/pgcairn");
      repository.make_driver = [path = repository.path, frees = frees_space_](const fs::path&,
                                                                              milliseconds) {
        return storage::make_posix(
            path, [frees](std::string_view key) { return frees && repo::is_lease(key); });
      };
    }
    load_key(repository);
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

  /// Off the machine everything is sealed, unless that is switched off by name.
  void load_key(RepositorySettings& repository) const {
    std::string_view first;
    for (const std::string_view key :
         {"key-passphrase", "key-passphrase-file", "key-file", "key-command"}) {
      if (text(key).empty()) continue;
      if (!first.empty())
        refuse(key, format("and {} are both given", first), "a slot is opened by one of them");
      first = key;
    }
    repository.key = {text("key-passphrase"), text("key-passphrase-file"), text("key-file"),
                      text("key-command")};
    const std::string encryption = text("encryption");
    if (encryption == "none" && !first.empty())
      refuse("encryption", format("is \"none\", and {} is given", first), "remove one of them");
    repository.sealed =
        encryption.empty() ? repository.is_remote || !first.empty() : encryption != "none";
    if (repository.sealed && first.empty()) repository.key.passphrase = passphrase_;
  }

  /// The kinds of store that know `key`, as a pattern; empty: all.
  static std::string_view store_of(std::string_view key) {
    if (key.starts_with("s3-")) return "s3";
    if (key.starts_with("gcs-")) return "gcs";
    if (key.starts_with("azure-")) return "azure";
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
    static constexpr std::string_view secrets[] = {
        "key-passphrase", "s3-key-secret", "s3-token", "azure-key", "azure-sas-token", "gcs-token"};
    if (text("proxy").find('@') != std::string::npos) return true;  // a user with a password
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
      refuse("proxy", "is not the address of a proxy",
             "write it like http://proxy.example.com:3128");
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
    s3.customer_key_file = text("s3-sse-customer-key-file");
    s3.tags = tags("s3-tags");
    if (!s3.customer_key_file.empty() && !s3.encryption.empty())
      refuse("s3-sse", "and s3-sse-customer-key-file exclude each other", "keep one of them");
    s3.requester_pays = flag("s3-requester-pays", false);
    s3.network = network();
    s3.credentials = {text("s3-key"), text("s3-key-secret"), text("s3-token"),
                      text("s3-credential-process"), text("s3-profile")};
    if (s3.credentials.access_key.empty() != s3.credentials.secret_key.empty())
      refuse("s3-key", "and s3-key-secret go together", "set both, or none");
    return s3;
  }

  /// "team=db,env=prod".
  std::vector<std::pair<std::string, std::string>> tags(std::string_view key) const {
    std::vector<std::pair<std::string, std::string>> tags;
    const std::string all = text(key);
    if (all.empty()) return tags;
    for (const std::string& tag : split(all, ',')) {
      const std::size_t equals = tag.find('=');
      if (equals == 0 || equals == std::string::npos)
        refuse(key, format("has \"{}\", which is not a tag", tag),
               "write tags like team=db,env=prod");
      tags.emplace_back(trim(tag.substr(0, equals)), trim(tag.substr(equals + 1)));
    }
    return tags;
  }

  storage::GcsSettings gcs() const {
    storage::GcsSettings gcs;
    gcs.bucket = required("gcs-bucket", "my-backups");
    gcs.prefix = prefix();
    if (const std::string given = endpoint("gcs-endpoint"); !given.empty()) gcs.endpoint = given;
    gcs.key_file = text("gcs-key-file");
    gcs.token = text("gcs-token");
    gcs.user_project = text("gcs-user-project");
    gcs.storage_class = text("gcs-storage-class");
    gcs.kms_key = text("gcs-kms-key");
    gcs.network = network();
    if (!gcs.key_file.empty() && !gcs.token.empty())
      refuse("gcs-key-file", "and gcs-token are two ways to the same", "set one of them");
    return gcs;
  }

  storage::AzureSettings azure() const {
    storage::AzureSettings azure;
    azure.account = required("azure-account", "mybackups");
    azure.container = required("azure-container", "postgres");
    azure.prefix = prefix();
    azure.endpoint = endpoint("azure-endpoint");
    azure.endpoint_suffix = text("azure-endpoint-suffix", azure.endpoint_suffix);
    azure.path_style = text("azure-uri-style") == "path";
    azure.access_tier = access_tier();
    azure.credentials = {text("azure-key"), text("azure-sas-token"), text("azure-client-id")};
    azure.network = network();
    check_azure_name("azure-account", azure.account, 24, "");
    check_azure_name("azure-container", azure.container, 63, "-");
    const auto& [key, sas, client] = azure.credentials;
    if ((!key.empty()) + (!sas.empty()) + (!client.empty()) > 1)
      refuse("azure-key", "azure-sas-token and azure-client-id exclude each other", "keep one");
    return azure;
  }

  /// Both stand in addresses: what no account or container can be called would be half an address.
  void check_azure_name(std::string_view key, std::string_view name, std::size_t most_letters,
                        std::string_view marks) const {
    const auto is_right = [&](unsigned char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
             marks.find(static_cast<char>(c)) != std::string_view::npos;
    };
    if (name.size() < 3 || name.size() > most_letters ||
        !std::all_of(name.begin(), name.end(), is_right))
      refuse(key, format("is \"{}\", which is not a name that Azure gives", name),
             "write the name alone, no address: lower-case letters and digits");
  }

  std::string access_tier() const {
    std::string tier = text("azure-access-tier");
    if (!tier.empty() && tier != "Hot" && tier != "Cool" && tier != "Cold")
      refuse(
          "azure-access-tier", format("is \"{}\", not Hot, Cool or Cold", tier),
          "in the tier Archive nothing can be read before hours have passed, so no restore could "
          "begin; Cold costs little and is read at once");
    return tier;
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
      refuse(key, "is not an address of HTTPS", "write it like https://s3.example.com:9000");
    if (endpoint.find('/', endpoint.find("://") + 3) != std::string::npos)
      refuse(key, "has a path",
             "bucket and container have keys of their own, the place in them is set by path");
    if (plain && !flag("allow-http", false))
      refuse(key, "is without TLS: anybody on the way could read and change the backups",
             "use https://, or add allow-http = true where that is acceptable");
    return endpoint;
  }

  const ConfigFile& file_;
  const std::string& name_;
  const std::filesystem::path& path_;
  const std::string& passphrase_;
  const bool frees_space_;
};

}  // namespace

RepositorySettings load_repository(const ConfigFile& file, const std::string& name,
                                   const std::filesystem::path& path, const std::string& passphrase,
                                   bool frees_space) {
  return Section(file, name, path, passphrase, frees_space).load();
}

std::vector<ReadFile> read_files(const ConfigFile& file) {
  std::vector<ReadFile> files;
  for (const ConfigEntry& entry : file.entries) {
    const std::string_view key = entry.option->name;
    if (entry.section != in_repo || key == "path") continue;
    const std::string name = format("{} of [repo.{}]", key, entry.name);
    if (entry.option->kind == ValueKind::path) files.push_back({name, entry.value});
    if (!key.ends_with("-command") && !key.ends_with("-process")) continue;
    for (const std::string& word : split(entry.value, ' '))
      if (word.starts_with('/')) files.push_back({name, word});
  }
  return files;
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

void require_one_repository(const Settings& settings, std::string_view does) {
  if (settings.repositories.size() == 1) return;
  std::vector<std::string> names;
  for (const RepositorySettings& repository : settings.repositories)
    names.push_back(repository.name);
  throw UsageError(format("{} {} one repository, and {} are {}", settings.verb->name, does,
                          names.size(), settings.repositories_named ? "named" : "configured"),
                   format("add --repo=NAME; NAME is one of {}", quoted_list(names)));
}

}  // namespace pgcairn::command
