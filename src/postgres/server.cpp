#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/server.hpp>

#include <array>
#include <string_view>
#include <utility>

namespace pgcairn::postgres {

namespace {

// The statements here are ours and their columns known: what does not parse is not PostgreSQL.
[[noreturn]] void strange_answer(std::string_view what) {
  throw PostgresError(
      format("cannot use the server: its answer for {} has an unknown format", what),
      "connect to PostgreSQL itself, not to a pooler or another kind of server");
}

const std::string& text_of(const std::vector<Row>& rows, std::size_t column,
                           std::string_view what) {
  if (rows.size() != 1 || rows[0].size() <= column || !rows[0][column]) strange_answer(what);
  return *rows[0][column];
}

std::uint64_t number_of(const std::vector<Row>& rows, std::size_t column, std::string_view what) {
  const auto number = parse_u64(text_of(rows, column, what));
  if (!number) strange_answer(what);
  return *number;
}

Lsn lsn_of(const std::vector<Row>& rows, std::size_t column, std::string_view what) {
  const auto lsn = parse_lsn(text_of(rows, column, what));
  if (!lsn) strange_answer(what);
  return *lsn;
}

std::uint32_t oid_of(const Row& row, std::size_t column, std::string_view what) {
  const std::uint64_t oid =
      row.size() > column && row[column] ? parse_u64(*row[column]).value_or(0) : 0;
  if (oid == 0 || oid > UINT32_MAX) strange_answer(what);
  return static_cast<std::uint32_t>(oid);
}

Timestamp server_time(Connection& connection) {
  const auto rows =
      connection.query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
  return Timestamp(
      std::chrono::microseconds(static_cast<std::int64_t>(number_of(rows, 0, "the time"))));
}

}  // namespace

ServerInfo read_server_info(Connection& connection) {
  ServerInfo server;
  const auto version = connection.query(
      "SELECT current_setting('server_version_num'),"
      " current_setting('server_version')");
  server.version_number = static_cast<int>(number_of(version, 0, "server_version_num"));
  server.major = server.version_number / 10000;
  if (server.major < kOldestMajor || server.major > kNewestMajor) {
    throw PostgresError(format("cannot use PostgreSQL {}: pgcairn supports versions {} to {}",
                               text_of(version, 1, "server_version"), kOldestMajor, kNewestMajor),
                        "use a pgcairn that supports this version of PostgreSQL");
  }
  const auto rows = connection.query(
      "SELECT (SELECT system_identifier FROM pg_control_system()),"
      " pg_is_in_recovery(),"
      " current_setting('data_directory'),"
      " (SELECT setting FROM pg_settings WHERE name = 'wal_segment_size'),"
      " current_setting('data_checksums'),"
      " current_setting('archive_mode'),"
      " current_setting('archive_command'),"
      " coalesce(current_setting('archive_library', true), '')");
  // The view prints a system identifier above 2^63 as a negative number.
  const std::string& system_id = text_of(rows, 0, "system_identifier");
  const bool negative = system_id.starts_with('-');
  const auto magnitude = parse_u64(std::string_view(system_id).substr(negative ? 1 : 0));
  if (!magnitude) strange_answer("system_identifier");
  server.system_id = negative ? 0 - *magnitude : *magnitude;
  server.in_recovery = text_of(rows, 1, "pg_is_in_recovery") == "t";
  server.data_directory = text_of(rows, 2, "data_directory");
  server.wal_segment_bytes = number_of(rows, 3, "wal_segment_size");
  server.data_checksums = text_of(rows, 4, "data_checksums") == "on";
  server.archive_mode = text_of(rows, 5, "archive_mode");
  server.archive_command = text_of(rows, 6, "archive_command");
  server.archive_library = text_of(rows, 7, "archive_library");

  server.tablespaces = read_tablespaces(connection);
  return server;
}

std::string checkpoint_timeout(Connection& connection) {
  const auto rows = connection.query("SELECT current_setting('checkpoint_timeout')");
  return text_of(rows, 0, "checkpoint_timeout");
}

bool has_archive_command(const ServerInfo& server) {
  return !server.archive_command.empty() && server.archive_command != "(disabled)";
}

bool archives(const ServerInfo& server) {
  return server.archive_mode != "off" &&
         (has_archive_command(server) || !server.archive_library.empty());
}

namespace {

/// DROP TABLESPACE removes the link in pg_tblspc, and its row can be seen until it has committed.
std::vector<Row> tablespaces_and_links(Connection& connection) {
  constexpr int attempts = 50;
  for (int i = 1;; ++i) {
    try {
      return connection.query(
          "SELECT oid, spcname, pg_tablespace_location(oid) FROM pg_tablespace"
          " WHERE pg_tablespace_location(oid) <> '' ORDER BY oid");
    } catch (StatementError& error) {
      if (error.sqlstate() != "58P01") throw;  // undefined_file
      if (i == attempts) {
        error.set_hint("put the link of the tablespace back, or drop the tablespace");
        throw;
      }
    }
    sleep_for(milliseconds(100), {});
  }
}

}  // namespace

std::vector<Tablespace> read_tablespaces(Connection& connection) {
  std::vector<Tablespace> spaces;
  for (const Row& row : tablespaces_and_links(connection)) {
    const std::uint32_t oid = oid_of(row, 0, "pg_tablespace");
    if (row.size() != 3 || !row[1] || !row[2]) strange_answer("pg_tablespace");
    spaces.push_back({oid, *row[1], *row[2]});
  }
  return spaces;
}

std::vector<Database> read_databases(Connection& connection) {
  std::vector<Database> databases;
  for (const Row& row :
       connection.query("SELECT oid, datname, dattablespace, xmin FROM pg_database ORDER BY oid")) {
    const std::uint32_t oid = oid_of(row, 0, "pg_database");
    const std::uint32_t space = oid_of(row, 2, "pg_database");
    if (row.size() != 4 || !row[1] || !row[3]) strange_answer("pg_database");
    databases.push_back({oid, *row[1], space, *row[3]});
  }
  return databases;
}

std::optional<std::uint32_t> making_files_before(Connection& connection) {
  // The session that makes the files of a relation that others may see has it locked, and a
  // transaction that has such a lock has a number (LogAccessExclusiveLockPrepare, standby.c).
  // CREATE DATABASE keeps its template locked.
  const auto rows = connection.query(
      "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::numeric % 4294967296,"
      " EXISTS (SELECT FROM pg_locks WHERE granted AND pid IS DISTINCT FROM pg_backend_pid()"
      "  AND (locktype = 'relation' AND mode = 'AccessExclusiveLock'"
      "   OR locktype = 'object' AND classid = 'pg_database'::regclass"
      "    AND mode <> 'RowExclusiveLock')),"
      " EXISTS (SELECT FROM pg_stat_progress_create_index"
      "  WHERE command IS NULL OR command LIKE '%CONCURRENTLY')");
  const std::uint64_t before = number_of(rows, 0, "pg_current_snapshot");
  // Whether it is a concurrent one is shown to the role that runs it, and to pg_monitor.
  if (text_of(rows, 2, "pg_stat_progress_create_index") == "t") return 0;
  if (text_of(rows, 1, "pg_locks") == "t") return static_cast<std::uint32_t>(before);
  return std::nullopt;
}

bool limits_are_configured(Connection& connection) {
  const auto rows = connection.query(
      "SELECT bool_and(NOT pending_restart AND source IN ('default', 'configuration file'))"
      " FROM pg_settings WHERE name IN ('max_connections', 'max_worker_processes',"
      " 'max_wal_senders', 'max_prepared_transactions', 'max_locks_per_transaction')");
  return text_of(rows, 0, "pg_settings") == "t";
}

ConfigPlaces read_config_places(Connection& connection) {
  const auto rows = connection.query(
      "SELECT current_setting('config_file'), current_setting('hba_file'),"
      " current_setting('ident_file')");
  return {text_of(rows, 0, "config_file"), text_of(rows, 1, "hba_file"),
          text_of(rows, 2, "ident_file")};
}

namespace {

bool in_recovery(Connection& connection) {
  return text_of(connection.query("SELECT pg_is_in_recovery()"), 0, "pg_is_in_recovery") == "t";
}

struct Position {
  Timeline checkpoint = 0;  // of the latest checkpoint, on a standby restartpoint
  Lsn redo;
  Timeline recovery = 0;  // of the minimum recovery point; 0 on a primary
};

Position control_position(Connection& connection) {
  const auto rows = connection.query(
      "SELECT timeline_id, redo_lsn, min_recovery_end_timeline"
      " FROM pg_control_checkpoint(), pg_control_recovery()");
  Position position;
  position.checkpoint = static_cast<Timeline>(number_of(rows, 0, "timeline_id"));
  position.redo = lsn_of(rows, 1, "redo_lsn");
  position.recovery = static_cast<Timeline>(number_of(rows, 2, "min_recovery_end_timeline"));
  return position;
}

[[noreturn]] void role_changed(bool was_standby) {
  throw PostgresError(was_standby ? "cannot back up the standby: it was promoted meanwhile"
                                  : "cannot back up the primary: it became a standby meanwhile",
                      "discard this backup and run it again");
}

[[noreturn]] void timeline_changed(Timeline from, Timeline to) {
  throw PostgresError(
      format("cannot back up the standby: it went from timeline {} to {} meanwhile", from, to),
      "run CHECKPOINT on the new primary, wait until the standby has followed, and run the backup "
      "again");
}

// What the label file of this backup will say of the timeline. It is handed out by pg_backup_stop
// only: until then the control file must tell.
Timeline start_timeline(Connection& connection, bool standby, const Position& before, Lsn start) {
  const Position after = control_position(connection);
  // The start made a checkpoint of its own, and a primary never changes its timeline.
  if (!standby) return after.checkpoint;
  // A standby starts from its latest restartpoint, which was one of those or one between them.
  // (Timelines only go up, so equal ones hold for all between.)
  if (before.checkpoint != after.checkpoint && after.redo != start)
    timeline_changed(before.checkpoint, after.checkpoint);
  if (after.recovery > after.checkpoint) timeline_changed(after.checkpoint, after.recovery);
  return after.checkpoint;
}

const char* stop_statement(const ServerInfo& server) {
  return server.major >= 15 ? "SELECT lsn, labelfile, spcmapfile FROM pg_backup_stop(false)"
                            : "SELECT lsn, labelfile, spcmapfile FROM pg_stop_backup(false, false)";
}

}  // namespace

BackupMode::~BackupMode() {
  if (!active_) return;
  // The end of the session would end backup mode too, but with a warning in the server's log.
  try {
    if (connection_.alive()) {
      connection_.query("SELECT set_config('statement_timeout', '10s', false)");
      connection_.query(stop_statement(server_));
    }
  } catch (const std::exception& error) {
    log_detail(format("backup mode ends with its session: {}", error.what()));
  }
  connection_.close();
}

BackupStart BackupMode::start(const std::string& label, bool fast, std::stop_token stop) {
  PGCAIRN_ASSERT(!active_);
  const bool standby = server_.in_recovery;
  if (in_recovery(connection_) != standby) role_changed(standby);
  const Position before = control_position(connection_);
  started_.time = server_time(connection_);
  // From here on, even an interrupted statement may have left the server in backup mode.
  active_ = true;
  const auto rows = connection_.query(server_.major >= 15
                                          ? "SELECT pg_backup_start($1::text, $2::boolean)"
                                          : "SELECT pg_start_backup($1::text, $2::boolean, false)",
                                      {label, fast ? "true" : "false"}, stop);
  started_.start_lsn = lsn_of(rows, 0, "the start of the backup");
  if (in_recovery(connection_) != standby) role_changed(standby);
  started_.timeline = start_timeline(connection_, standby, before, started_.start_lsn);
  return started_;
}

void BackupMode::check() {
  if (!connection_.alive()) {
    throw PostgresError("cannot go on with the backup: the session with PostgreSQL was lost",
                        "see the server's log for why it ended, then run the backup again");
  }
  if (in_recovery(connection_) != server_.in_recovery) role_changed(server_.in_recovery);
}

BackupStop BackupMode::stop(std::stop_token stop) {
  PGCAIRN_ASSERT(active_);
  check();
  const auto rows = connection_.query(stop_statement(server_), {}, stop);
  BackupStop stopped;
  stopped.stop_lsn = lsn_of(rows, 0, "the end of the backup");
  stopped.backup_label = text_of(rows, 1, "backup_label");
  if (rows[0].size() > 2 && rows[0][2]) stopped.tablespace_map = *rows[0][2];
  active_ = false;
  stopped.time = server_time(connection_);

  if (in_recovery(connection_) != server_.in_recovery) role_changed(server_.in_recovery);
  const Timeline end = control_position(connection_).recovery;
  if (server_.in_recovery && end > started_.timeline) timeline_changed(started_.timeline, end);
  const BackupLabel label = parse_backup_label(stopped.backup_label, "backup_label");
  if (label.start_lsn != started_.start_lsn || label.timeline != started_.timeline ||
      label.from_standby != server_.in_recovery) {
    throw PostgresError(
        format("cannot use the backup: it began at {} on timeline {}, but backup_label says {} on "
               "timeline {}",
               to_string(started_.start_lsn), started_.timeline, to_string(label.start_lsn),
               label.timeline),
        "run the backup again");
  }
  return stopped;
}

Lsn current_wal_lsn(Connection& connection, const ServerInfo& server) {
  // A standby may write a page before it counts the page's record as replayed; what it has received
  // bounds that. (greatest passes over NULL: nothing was received.)
  const auto rows = connection.query(
      server.in_recovery ? "SELECT greatest(pg_last_wal_replay_lsn(), pg_last_wal_receive_lsn())"
                         : "SELECT pg_current_wal_insert_lsn()");
  return lsn_of(rows, 0, "the end of WAL");
}

Timeline current_timeline(Connection& connection) {
  const auto rows = connection.query("SELECT pg_walfile_name(pg_current_wal_lsn())");
  const std::string_view segment = text_of(rows, 0, "the WAL that it writes");
  const auto timeline = parse_u64(segment.substr(0, 8), 16);
  if (!timeline) strange_answer("the WAL that it writes");
  return static_cast<Timeline>(*timeline);
}

BackupLabel parse_backup_label(std::string_view text, const std::string& object) {
  // Lines in the order and words of do_pg_backup_start (xlog.c) and build_backup_content.
  enum Key { wal, checkpoint, method, from, time, label, timeline, incremental, count };
  static constexpr std::array<std::string_view, count> names = {
      "START WAL LOCATION", "CHECKPOINT LOCATION", "BACKUP METHOD",
      "BACKUP FROM",        "START TIME",          "LABEL",
      "START TIMELINE",     "INCREMENTAL FROM LSN"};
  std::array<std::optional<std::string>, count> values;
  for (const std::string& line : split(text, '\n')) {
    for (std::size_t key = 0; key < names.size(); ++key) {
      const std::string prefix = format("{}: ", names[key]);
      if (!line.starts_with(prefix)) continue;
      if (values[key]) throw DamagedError(object, 0, format("\"{}\" is there twice", names[key]));
      values[key] = line.substr(prefix.size());
    }
  }
  const auto need = [&](Key key) -> std::string_view {
    if (!values[key]) throw DamagedError(object, 0, format("\"{}\" is missing", names[key]));
    return *values[key];
  };
  const auto refuse = [&](Key key) {
    throw DamagedError(object, 0,
                       format("\"{}: {}\" has an unknown format", names[key], *values[key]));
  };
  if (values[incremental]) {
    throw DamagedError(object, 0, "it is of an incremental backup and cannot be started from",
                       "combine the backups with pg_combinebackup first");
  }
  BackupLabel parsed;
  const std::string_view location = need(wal);  // "0/2000028 (file 000000010000000000000002)"
  const auto start_lsn = parse_lsn(location.substr(0, location.find(' ')));
  if (!start_lsn) refuse(wal);
  parsed.start_lsn = *start_lsn;
  const auto checkpoint_lsn = parse_lsn(need(checkpoint));
  if (!checkpoint_lsn) refuse(checkpoint);
  parsed.checkpoint = *checkpoint_lsn;
  const auto number = parse_u64(need(timeline));
  if (!number || *number == 0 || *number > UINT32_MAX) refuse(timeline);
  parsed.timeline = static_cast<Timeline>(*number);
  const std::string_view source = need(from);  // 13 says "master"
  if (source != "standby" && source != "primary" && source != "master") refuse(from);
  parsed.from_standby = source == "standby";
  return parsed;
}

}  // namespace pgcairn::postgres
