#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/postgres/connection.hpp>

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::postgres {

inline constexpr int kOldestMajor = 13;
inline constexpr int kNewestMajor = 19;

struct Tablespace {
  std::uint32_t oid = 0;
  std::string name;
  std::string location;
};

struct Database {
  std::uint32_t oid = 0;
  std::string name;
  std::uint32_t space = 0;  // OID of the tablespace that its directory is in
  std::string row;          // another one after each ALTER DATABASE
};

/// What the running server says of itself.
struct ServerInfo {
  int version_number = 0;  // 150018
  int major = 0;
  SystemId system_id = 0;
  bool in_recovery = false;
  std::filesystem::path data_directory;
  std::uint64_t wal_segment_bytes = 0;
  bool data_checksums = false;
  std::string archive_mode;     // off | on | always
  std::string archive_command;  // "(disabled)" or empty when none
  std::string archive_library;
  std::vector<Tablespace> tablespaces;  // those with a location: not pg_default, not pg_global
};

bool has_archive_command(const ServerInfo& server);
/// By a command or by a library.
bool archives(const ServerInfo& server);

/// Throws PostgresError when the server is older than 13 or newer than 19.
ServerInfo read_server_info(Connection& connection);

/// All tablespaces but the built-in ones, by oid.
std::vector<Tablespace> read_tablespaces(Connection& connection);

/// All databases, by oid.
std::vector<Database> read_databases(Connection& connection);

/// The transactions that may be making files of relations, or a database, now: those older than the
/// number (64 bits cut to 32; 0: CREATE INDEX CONCURRENTLY is at work, which has no number). None
/// when there are none.
std::optional<std::uint32_t> making_files_before(Connection& connection);

/// Do configuration files say what the server runs with, of the settings named kLimitNames?
bool limits_are_configured(Connection& connection);

/// "5min": how far checkpoints are apart at most, and how long one may take.
std::string checkpoint_timeout(Connection& connection);

/// Where the server reads its configuration: the settings of these names, absolute.
struct ConfigPlaces {
  std::filesystem::path config_file;
  std::filesystem::path hba_file;
  std::filesystem::path ident_file;
};
ConfigPlaces read_config_places(Connection& connection);

struct BackupStart {
  Lsn start_lsn;
  Timeline timeline = 0;
  Timestamp time{};  // by the server's clock
};
struct BackupStop {
  Lsn stop_lsn;
  Timestamp time{};
  std::string backup_label;    // byte for byte
  std::string tablespace_map;  // byte for byte; empty when the cluster has none
};

/// PostgreSQL's non-exclusive backup mode, by either pair of function names (13, 14:
/// pg_start_backup; 15 on: pg_backup_start). Leaving scope without stop() closes the session, which
/// ends backup mode in the server.
class BackupMode {
 public:
  BackupMode(Connection& connection, const ServerInfo& server)
      : connection_(connection), server_(server) {}
  /// Ends backup mode when it is still on, and the session with it.
  ~BackupMode();
  BackupMode(const BackupMode&) = delete;
  BackupMode& operator=(const BackupMode&) = delete;

  /// `fast` asks for an immediate checkpoint. Throws Interrupted when stopped while it waits for
  /// the checkpoint. On a standby it throws PostgresError when the WAL from its last restartpoint
  /// to its minimum recovery point crosses from one timeline to the next.
  BackupStart start(const std::string& label, bool fast, std::stop_token stop);
  /// Does not wait for the archive. Throws PostgresError when the session was lost, a standby was
  /// promoted or followed another timeline since start(), or backup_label does not say what start()
  /// told.
  BackupStop stop(std::stop_token stop);
  /// Throws PostgresError when the session is gone or a standby was promoted: the backup can no
  /// longer succeed.
  void check();

 private:
  Connection& connection_;
  const ServerInfo& server_;
  BackupStart started_;
  bool active_ = false;  // the server may be in backup mode
};

/// The end of WAL that the server has written or replayed now: no page may carry a later LSN.
Lsn current_wal_lsn(Connection& connection, const ServerInfo& server);
/// The timeline that a primary writes.
Timeline current_timeline(Connection& connection);

/// What backup_label says ("START WAL LOCATION", "START TIMELINE", "CHECKPOINT LOCATION", "BACKUP
/// FROM").
struct BackupLabel {
  Lsn start_lsn;
  Lsn checkpoint;
  Timeline timeline = 0;
  bool from_standby = false;
};
/// Throws DamagedError naming `object` when a line is missing or stands twice, or when the label is
/// of an incremental backup (pg_basebackup --incremental).
BackupLabel parse_backup_label(std::string_view text, const std::string& object);

}  // namespace pgcairn::postgres
