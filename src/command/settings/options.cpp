#include "settings/options.hpp"

#include "verbs.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <array>
#include <iterator>
#include <set>

namespace pgcairn::command {

namespace {

// name, kind, places, value name, default, choices, least, most, help
constexpr Option kShared[] = {
    {"target", ValueKind::text, kShell, "TARGET", "", "", 0, 0,
     "the time, transaction, LSN or restore point to recover to"},
    {"target-exclusive", ValueKind::flag, kShell, "", "false", "", 0, 0,
     "stop just before the target (time, xid, lsn)"},
    {"target-timeline", ValueKind::text, kShell, "TIMELINE", "latest", "", 0, 0,
     "the timeline to follow: a number, current, or latest"},
    {"set", ValueKind::text, kShell, "LABEL", "", "", 0, 0,
     "restore this backup (default: chosen for the target)"},
    {"accept-damage", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "with --set: restore a backup that verify found damaged"},
    {"accept-gap", ValueKind::text, on_command_line, "SEGMENT", "", "", 0, 0,
     "recovery may end at SEGMENT, which is missing although later segments exist"},
    {"allow-tablespace", ValueKind::list, on_command_line, "DIR", "", "", 0, 0,
     "replay may create a tablespace in DIR, which belongs to this copy; repeatable"},
    {"pg-bin", ValueKind::path, kCluster, "DIR", "", "", 0, 0,
     "the directory of PostgreSQL's programs (default: where packages install them, PATH)"},
    {"dry-run", ValueKind::flag, kShell, "", "false", "", 0, 0, "show the plan and change nothing"},
    {"record", ValueKind::flag, kTuning, "", "true", "", 0, 0,
     "record the result in the repository (the default)"},
    {"stanza", ValueKind::text, kShell, "NAME", "", "", 0, 0,
     "the cluster's name in the configuration (default: the only one)"},
    {"repo", ValueKind::text, kShell, "NAME", "", "", 0, 0,
     "use only this repository, or several: names separated by commas, or all"},
    {"process-max", ValueKind::number, kTuning, "N", "2", "", 1, 999, "number of worker threads"},
    {"limit-rate", ValueKind::size, kPerRepository, "SIZE", "", "", 0, 0,
     "most bytes a second to, and from, each repository, such as 50MiB (default: no limit)"},
    {"compress-type", ValueKind::choice, kTuning, "TYPE", "zst", "zst|lz4|gz|none", 0, 0,
     "compression of new data"},
    {"compress-level", ValueKind::number, kTuning, "N", "", "", -7, 22,
     "compression level: zst -7 to 22, lz4 0 to 12, gz 1 to 9"},
    {"archive-timeout", ValueKind::duration, kTuning, "TIME", "60s", "", 1, 0,
     "how long to wait for WAL to arrive in the archive"},
    {"resume", ValueKind::flag, kTuning, "", "true", "", 0, 0,
     "reuse (expire: keep) what an interrupted backup has stored (the default)"},
    {"all-hosts", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "for every host, in the repositories, instead of only this host"},
    {"pg-path", ValueKind::path, kCluster, "DIR", "", "", 0, 0,
     "the data directory of the cluster"},
    {"pg-host", ValueKind::text, kCluster, "HOST", "", "", 0, 0, "connect over TCP to this host"},
    {"pg-socket-path", ValueKind::path, kCluster, "DIR", "", "", 0, 0,
     "connect through the socket in DIR (default: libpq's)"},
    {"pg-port", ValueKind::number, kCluster, "PORT", "", "", 1, 65535,
     "port of the server (default: libpq's, 5432)"},
    {"pg-user", ValueKind::text, kCluster, "NAME", "", "", 0, 0,
     "connect as this role (default: libpq's)"},
    {"pg-database", ValueKind::text, kCluster, "NAME", "", "", 0, 0,
     "connect to this database (default: libpq's, or postgres)"},
    {"file", ValueKind::path, on_command_line, "FILE", "", "", 0, 0,
     "write to FILE, as a whole or not at all (default: standard output)"},
    {"quiet", ValueKind::flag, on_command_line, "", "false", "", 0, 0,
     "print nothing if all is well, as for cron; else warnings, errors and the result"},
    {"output", ValueKind::choice, kShell, "FORMAT", "text", "text|json", 0, 0,
     "format of the result on standard output"},
};

constexpr Option kOfEveryVerb[] = {
    {"config", ValueKind::path, kShell, "FILE", "/etc/pgcairn/pgcairn.toml", "", 0, 0,
     "read the configuration from FILE"},
    {"log-level", ValueKind::choice, kShell | in_global, "LEVEL", "",
     "error|warn|info|detail|debug", 0, 0,
     "least important lines to log (default: info; warn for archive-push, archive-get)"},
    {"log-format", ValueKind::choice, kShell | in_global, "FORMAT", "text", "text|json", 0, 0,
     "format of the log on standard error"},
    {"state-path", ValueKind::path, kShell | in_global, "DIR", "/var/spool/pgcairn", "", 0, 0,
     "directory for stops and other state of this host"},
    {"help", ValueKind::flag, on_command_line, "", "", "", 0, 0, "show help; also -h"},
    {"version", ValueKind::flag, on_command_line, "", "", "", 0, 0, "show the version"},
};

constexpr Option kKeys[] = {
    // The limits of health; "0", "0%" and the like: no check.
    {"health-backup-age-warn", ValueKind::duration, kSections, "", "26h", "", 0, 0,
     "age of the newest backup"},
    {"health-backup-age-critical", ValueKind::duration, kSections, "", "50h", "", 0, 0,
     "age of the newest backup"},
    {"health-backup-count-warn", ValueKind::number, kSections, "", "1", "", 0, 1'000'000,
     "fewest backups"},
    {"health-backup-count-critical", ValueKind::number, kSections, "", "1", "", 0, 1'000'000,
     "fewest backups"},
    {"health-wal-lag-warn", ValueKind::size, kSections, "", "256MiB", "", 0, 0,
     "WAL not archived yet"},
    {"health-wal-lag-critical", ValueKind::size, kSections, "", "1GiB", "", 0, 0,
     "WAL not archived yet"},
    {"health-free-space-warn", ValueKind::percent, kSections, "", "20%", "", 0, 100,
     "least free space of repositories and of pg_wal"},
    {"health-free-space-critical", ValueKind::percent, kSections, "", "10%", "", 0, 100,
     "least free space of repositories and of pg_wal"},
    {"health-size-change-warn", ValueKind::percent, kSections, "", "400%", "", 0, 1'000'000,
     "size of the newest backup against the median of its type, either way"},
    {"health-size-change-critical", ValueKind::percent, kSections, "", "0%", "", 0, 1'000'000,
     "size of the newest backup against the median of its type, either way"},
    {"health-verify-age-warn", ValueKind::duration, kSections, "", "8d", "", 0, 0,
     "time since the last verify"},
    {"health-verify-age-critical", ValueKind::duration, kSections, "", "32d", "", 0, 0,
     "time since the last verify"},
    {"health-drill-age-warn", ValueKind::duration, kSections, "", "32d", "", 0, 0,
     "time since the last drill"},
    {"health-drill-age-critical", ValueKind::duration, kSections, "", "93d", "", 0, 0,
     "time since the last drill"},
    // Keys of [repo.NAME].
    {"type", ValueKind::choice, in_repo, "", "", "posix|s3|azure|gcs", 0, 0, "the kind of store"},
    {"path", ValueKind::path, in_repo, "", "", "", 0, 0,
     "the directory of the repository, or the prefix of its keys in a bucket"},
    {"encryption", ValueKind::choice, in_repo, "", "", "aes-256-gcm|none", 0, 0,
     "encryption of the repository (default: aes-256-gcm where a key is set or the type is not "
     "posix)"},
    {"key-passphrase", ValueKind::text, in_repo | in_environment, "", "", "", 0, 0,
     "the passphrase that opens a key slot"},
    {"key-passphrase-file", ValueKind::path, in_repo, "", "", "", 0, 0,
     "a file whose first line is the passphrase"},
    {"key-file", ValueKind::path, in_repo, "", "", "", 0, 0,
     "a file with the key that opens a slot: 32 bytes, or 64 hexadecimal digits"},
    {"key-command", ValueKind::text, in_repo, "", "", "", 0, 0, "command that prints such a key"},
    {"ca-file", ValueKind::path, in_repo, "", "", "", 0, 0,
     "CA certificates to check the store's certificate against (default: the system's)"},
    {"tls-verify", ValueKind::flag, in_repo, "", "true", "", 0, 0,
     "whether to check the certificate of the store"},
    {"io-timeout", ValueKind::duration, in_repo, "", "30s", "", 0, 0,
     "how long to wait for a silent store before a request is sent again"},
    {"allow-http", ValueKind::flag, in_repo, "", "false", "", 0, 0,
     "whether an endpoint may use HTTP without TLS"},
    {"proxy", ValueKind::text, in_repo, "", "", "", 0, 0,
     "http://HOST:PORT of a proxy (default: https_proxy of the environment)"},
    {"s3-bucket", ValueKind::text, in_repo, "", "", "", 0, 0, "the bucket"},
    {"s3-region", ValueKind::text, in_repo, "", "us-east-1", "", 0, 0, "its region"},
    {"s3-endpoint", ValueKind::text, in_repo, "", "", "", 0, 0,
     "https://HOST[:PORT] (default: Amazon's of the region)"},
    {"s3-uri-style", ValueKind::choice, in_repo, "", "host", "host|path", 0, 0,
     "whether the bucket is named in the host or in the path of URLs"},
    {"s3-key", ValueKind::text, in_repo, "", "", "", 0, 0, "access key"},
    {"s3-key-secret", ValueKind::text, in_repo, "", "", "", 0, 0, "its secret"},
    {"s3-token", ValueKind::text, in_repo, "", "", "", 0, 0, "session token of the key"},
    {"s3-credential-process", ValueKind::text, in_repo, "", "", "", 0, 0,
     "command that prints these credentials as JSON"},
    {"s3-profile", ValueKind::text, in_repo, "", "", "", 0, 0,
     "profile of the shared credentials file"},
    {"s3-storage-class", ValueKind::text, in_repo, "", "", "", 0, 0,
     "storage class of new objects"},
    {"s3-sse", ValueKind::choice, in_repo, "", "", "AES256|aws:kms", 0, 0,
     "how the store encrypts new objects"},
    {"s3-kms-key-id", ValueKind::text, in_repo, "", "", "", 0, 0, "KMS key for s3-sse"},
    {"s3-sse-customer-key-file", ValueKind::path, in_repo, "", "", "", 0, 0,
     "file with a key of 32 bytes, for encryption with a customer key (SSE-C)"},
    {"s3-tags", ValueKind::text, in_repo, "", "", "", 0, 0, "tags of new objects: KEY=VALUE,..."},
    {"s3-requester-pays", ValueKind::flag, in_repo, "", "false", "", 0, 0,
     "whether the requester pays for requests"},
    {"gcs-bucket", ValueKind::text, in_repo, "", "", "", 0, 0, "the bucket"},
    {"gcs-endpoint", ValueKind::text, in_repo, "", "", "", 0, 0,
     "https://HOST[:PORT] (default: Google's)"},
    {"gcs-key-file", ValueKind::path, in_repo, "", "", "", 0, 0,
     "JSON file: the key of a service account, or a workload identity federation"},
    {"gcs-token", ValueKind::text, in_repo, "", "", "", 0, 0,
     "access token; valid for an hour at most"},
    {"gcs-user-project", ValueKind::text, in_repo, "", "", "", 0, 0,
     "project that pays for requests (requester pays)"},
    {"gcs-storage-class", ValueKind::choice, in_repo, "", "", "STANDARD|NEARLINE|COLDLINE|ARCHIVE",
     0, 0, "storage class of new objects"},
    {"gcs-kms-key", ValueKind::text, in_repo, "", "", "", 0, 0,
     "projects/P/locations/L/keyRings/R/cryptoKeys/K that encrypts new objects"},
    {"azure-account", ValueKind::text, in_repo, "", "", "", 0, 0, "the storage account"},
    {"azure-container", ValueKind::text, in_repo, "", "", "", 0, 0, "the container"},
    {"azure-key", ValueKind::text, in_repo, "", "", "", 0, 0, "a key of the account"},
    {"azure-sas-token", ValueKind::text, in_repo, "", "", "", 0, 0,
     "shared access signature of the container"},
    {"azure-client-id", ValueKind::text, in_repo, "", "", "", 0, 0,
     "client ID of the managed identity to use"},
    {"azure-access-tier", ValueKind::text, in_repo, "", "", "", 0, 0,
     "access tier of new objects: Hot, Cool or Cold (default: the account's)"},
    {"azure-endpoint", ValueKind::text, in_repo, "", "", "", 0, 0,
     "https://HOST[:PORT] (default: the account's own)"},
    {"azure-endpoint-suffix", ValueKind::text, in_repo, "", "core.windows.net", "", 0, 0,
     "suffix of the account's host name"},
    {"azure-uri-style", ValueKind::choice, in_repo, "", "host", "host|path", 0, 0,
     "whether the account is named in the host or in the path of URLs"},
};

/// Names of the verbs that take a shared row.
std::string verbs_with(std::string_view name) {
  std::string verbs;
  for (const Verb* const verb : all_verbs()) {
    const auto names = split(verb->takes, ' ');
    if (std::find(names.begin(), names.end(), name) == names.end()) continue;
    verbs += (verbs.empty() ? "" : " ") + std::string(verb->name);
  }
  return verbs;
}

std::vector<Option> join_options() {
  std::vector<Option> all;
  const auto add = [&](const Option& row, std::string_view verbs) {
    all.push_back(row);
    all.back().verbs = verbs;
  };
  for (const Verb* const verb : all_verbs())
    for (const Option& row : verb->options) add(row, verb->name);
  static std::array<std::string, std::size(kShared)> names;
  for (std::size_t i = 0; i < names.size(); ++i) {
    names[i] = verbs_with(kShared[i].name);
    add(kShared[i], names[i]);
  }
  for (const Option& row : kOfEveryVerb) add(row, "*");
  for (const Option& row : kKeys) add(row, "");
  return all;
}

}  // namespace

std::span<const Option> all_options() {
  static const std::vector<Option> all = join_options();
  return all;
}

bool takes(const Option& option, std::string_view verb) {
  if (option.verbs == "*") return true;
  const auto verbs = split(option.verbs, ' ');
  return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

const Option* find_option(std::string_view name, std::string_view verb) {
  for (const Option& option : all_options()) {
    if (option.name == name && (option.places & kShell) != 0 && takes(option, verb)) return &option;
  }
  return nullptr;
}

const Option* find_key(std::string_view name, Place place) {
  for (const Option& option : all_options()) {
    if (option.name == name && (option.places & place) != 0) return &option;
  }
  return nullptr;
}

std::string verbs_taking(std::string_view name) {
  std::vector<std::string_view> verbs;
  for (const Verb* const verb : all_verbs()) {
    const Option* const option = find_option(name, verb->name);
    if (option != nullptr && (option->places & on_command_line) != 0) verbs.push_back(verb->name);
  }
  std::string text;
  for (std::size_t i = 0; i < verbs.size(); ++i) {
    if (i != 0) text += i + 1 == verbs.size() ? " and " : ", ";
    text += verbs[i];
  }
  return text;
}

bool depends_on_verb(std::string_view name) {
  std::set<std::string_view> choices;
  for (const Option& option : all_options()) {
    if (option.name == name && (option.places & in_environment) != 0)
      choices.insert(option.choices);
  }
  return choices.size() > 1;
}

std::vector<std::string> option_names(unsigned places) {
  std::vector<std::string> names;
  for (const Option& option : all_options()) {
    const std::string name(option.name);
    if ((option.places & places) == 0) continue;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

std::string environment_name(std::string_view option) {
  std::string name = "PGCAIRN_";
  for (const char c : option) {
    name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return name;
}

}  // namespace pgcairn::command
