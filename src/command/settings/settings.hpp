#pragma once

#include "settings/arguments.hpp"

#include <pgcairn/common/log.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/compress/codec.hpp>
#include <pgcairn/engine/restore/recovery_target.hpp>
#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/engine/status/health_limits.hpp>
#include <pgcairn/postgres/connection.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/retention.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace pgcairn::command {

enum class Form { text, json, nagios, prometheus };

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

/// A stanza that health looks at.
struct WatchedStanza {
  engine::StanzaSettings stanza;
  engine::HealthLimits limits;
};

/// All that the operator said, with types, checked one by one and together. A verb finds defaults
/// in what it does not take.
struct Settings {
  std::string verb;
  std::vector<std::string> operands;

  std::filesystem::path config;  // absolute; empty when none was read
  LogLevel log_level = LogLevel::info;
  Form log_format = Form::text;
  Form output = Form::text;
  std::vector<std::string> warnings;  // about the settings themselves

  std::vector<ReadFile> read_files;              // of all repositories
  std::filesystem::path state_path;              // what this host remembers, such as stops
  std::vector<RepositorySettings> repositories;  // those to use, in the order of the file
  bool repositories_named = false;               // by the operator: none of them is left out
  std::string stanza;                            // empty: info and its like about all
  std::vector<std::string> configured_stanzas;   // in the order of the file
  std::filesystem::path pg_path;                 // empty: the working directory (archive verbs)
  bool pg_path_overridden = false;               // pg_path is not the configuration file's
  std::vector<std::filesystem::path> data_directories;  // the stanza's, or all configured ones
  // The configuration file's, else the environment's; empty: neither has one.
  std::filesystem::path configured_pg_path;
  postgres::ConnectionSettings connection;

  unsigned process_max = 2;
  compress::CodecId compress_type = compress::CodecId::zst;
  int compress_level = 3;

  // backup
  repo::BackupType backup_type = repo::BackupType::incremental;
  bool delta = false;  // of backup and, only on the command line, of restore
  bool start_fast = false;
  bool resume = true;
  bool copy_wal = false;
  std::vector<std::filesystem::path> include_paths;
  milliseconds archive_timeout{60'000};
  bool expire_auto = true;

  // restore
  std::string set;
  std::string type = "default";  // engine::RestoreType's names
  std::string target;            // as it was written
  bool target_exclusive = false;
  std::optional<engine::RecoveryTarget>
      recovery_target;  // none: a time, which restore_goal() reads
  std::string target_action;
  std::string target_timeline = "latest";  // latest | current | a number above 0
  bool archive_off = false;
  bool archive_kept = false;  // --archive-mode=preserve was said
  bool replace = false;
  std::vector<std::string> allow_tablespaces;  // of archive-get, too
  std::vector<std::string> remove_tablespaces;
  std::vector<std::pair<std::string, std::string>> recovery_options;
  std::map<std::string, std::string> tablespace_map;
  std::vector<std::string> db_include;
  std::vector<std::string> db_exclude;
  std::string tablespace_map_all;
  std::map<std::string, std::string> link_map;
  bool link_all = false;
  bool server_is_stopped = false;
  std::filesystem::path config_to;  // empty: nowhere
  bool dry_run = false;
  bool allow_mass_removal = false;  // of expire
  bool accept_damage = false;

  // stanza-delete, stanza-upgrade, stop, start; `dry_run` as well
  bool force = false;
  bool all_hosts = false;
  std::string reason;

  // archive-get
  std::optional<Lsn> guard_from;
  std::optional<Lsn> guard_until;
  std::string accept_gap;  // of restore, too: a segment

  // hold; `reason` as well
  std::string until;  // as it was written; empty: until released

  // report, metrics, repo-get; empty: standard output
  std::filesystem::path file;

  // repo-ls, repo-get; repo-copy: `set` and `dry_run`, and `repositories` are source and target
  bool recursive = false;
  bool raw = false;
  bool index = false;
  // health, metrics: the stanza that was named, or all of the configuration
  std::vector<WatchedStanza> watched;
  // info, report: by stanza, and of those that are not configured
  std::map<std::string, engine::HealthLimits> health_limits;
  engine::HealthLimits default_health_limits;

  // key-add, key-rotate
  KeyChoice new_key;  // none: asked for at the terminal
  std::string label;

  // verify; `set` as well, as have expire and info
  std::string level = "quick";  // quick | full
  unsigned sample_percent = 100;
  std::optional<milliseconds> max_duration;
  bool record = true;  // of drill too

  // drill; what says where recovery ends as well
  std::filesystem::path drill_path;  // of other verbs: as it is configured
  std::vector<std::string> drill_sql;
  milliseconds drill_timeout{86'400'000};
  std::string drill_sandbox = "auto";  // auto | required | off
  std::filesystem::path pg_bin;
  bool foreign_keys = false;
  bool keep = false;
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

/// Joins command line, environment and configuration file, the first that says something winning,
/// [stanza.NAME] before [global]. Throws UsageError naming where the wrong value came from. help
/// and version read no file. Pure but for `read_file`.
Settings load_settings(const Arguments& arguments, const SettingsSources& sources);

/// How errors are to be shown while the settings are not known, or are wrong themselves.
Form early_log_format(std::span<const std::string> words,
                      const std::map<std::string, std::string>& environment);

}  // namespace pgcairn::command
