#pragma once

#include "form.hpp"
#include "settings/arguments.hpp"
#include "settings/option_sources.hpp"
#include "verb.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/compress/codec.hpp>
#include <pgcairn/postgres/connection.hpp>
#include <pgcairn/repo/retention.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::command {

/// What is told of the key of a repository; at most one member of it.
struct KeyChoice {
  std::string passphrase;
  std::filesystem::path passphrase_file;
  std::filesystem::path file;
  std::string command;
  bool none() const {
    return passphrase.empty() && passphrase_file.empty() && file.empty() && command.empty();
  }
};

/// A file that the configuration names, without which a repository may not be usable.
struct ReadFile {
  std::string name;  // "key-file of [repo.main]"
  std::filesystem::path path;
};

struct RepositorySettings {
  std::string name;
  std::string type;            // "posix", "s3"
  std::filesystem::path path;  // posix: its directory
  /// Given the file for credentials that a service lends (see storage/drivers.hpp), and how long
  /// the store may say nothing at most, whatever is configured.
  std::function<std::unique_ptr<storage::Driver>(const std::filesystem::path& kept,
                                                 milliseconds silence)>
      make_driver;
  bool is_remote = false;              // across a network
  std::uint64_t bytes_per_second = 0;  // in each direction; 0: no limit
  bool has_secrets = false;            // in the configuration file
  bool sealed = false;                 // asked for, or the default of its type
  KeyChoice key;
  repo::RetentionPolicy retention;  // in UTC: see retention_of()
  std::string retention_timezone = "UTC";
};

/// What the operator said, with types, checked one by one and together, as far as several verbs
/// have it. What one verb alone has is in its file.
struct Settings {
  const Verb* verb = nullptr;  // never null once loaded
  std::vector<std::string> operands;

  std::filesystem::path config;  // absolute; empty when none was read
  LogLevel log_level = LogLevel::info;
  bool quiet = false;  // print a result only if something is wrong
  Form log_format = Form::text;
  Form output = Form::text;
  std::vector<std::string> warnings;  // about the settings themselves

  std::vector<ReadFile> read_files;              // of all repositories
  std::filesystem::path state_path;              // what this host remembers, such as stops
  std::vector<RepositorySettings> repositories;  // those to use, in the order of the file
  bool repositories_named = false;               // by the operator: none of them is left out
  std::string stanza;                            // empty: all, or none (StanzaUse)
  std::vector<std::string> configured_stanzas;   // in the order of the file
  std::filesystem::path pg_path;                 // empty: the working directory (run_by_postgres)
  bool pg_path_overridden = false;               // pg_path is not the configuration file's
  std::vector<std::filesystem::path> data_directories;  // the stanza's, or all configured ones
  // The configuration file's, else the environment's; empty: neither has one.
  std::filesystem::path configured_pg_path;
  std::filesystem::path drill_path;  // where drills of the stanza are, for verbs other than drill
  postgres::ConnectionSettings connection;

  unsigned process_max = 2;
  compress::CodecId compress_type = compress::CodecId::zst;
  int compress_level = 3;
  milliseconds archive_timeout{60'000};
};

/// The world as load_settings() sees it.
struct SettingsSources {
  std::map<std::string, std::string> environment;  // PGCAIRN_* only are looked at
  /// The text of a file; nothing when there is none. Throws SystemError.
  std::function<std::optional<std::string>(const std::filesystem::path&)> read_file;
  std::filesystem::path working_directory;  // relative paths of command line and environment
};

inline constexpr const char* kDefaultConfig = "/etc/pgcairn/pgcairn.toml";
inline constexpr const char* kDefaultStatePath = "/var/spool/pgcairn";

struct LoadedSettings {
  Settings settings;
  OptionSources options;  // where the verb finds its own
};

/// Joins command line, environment and configuration file, the first that says something winning,
/// [stanza.NAME] before [global]. Throws UsageError naming where the wrong value came from. Pure
/// but for `read_file`. The result refers to `arguments` and to the environment of `sources`.
LoadedSettings load_settings(const Arguments& arguments, const SettingsSources& sources);

/// What to throw for a stanza that the configuration must have and has not. The hint names the one
/// that was probably meant.
UsageError stanza_not_configured(const std::string& stanza, std::span<const std::string> configured,
                                 const std::filesystem::path& config);

/// How the server of a stanza is reached. Throws UsageError.
postgres::ConnectionSettings load_connection(const OptionSources& options);

}  // namespace pgcairn::command
