#include "check/archiving.hpp"

#include "check/archive_command.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/wal/push_failure.hpp>

#include <optional>
#include <utility>

namespace pgcairn::engine {

namespace {

std::string push_command(const StanzaSettings& stanza) {
  return format("archive_command = 'pgcairn --stanza={} archive-push \"%p\"'", stanza.name);
}

/// Of archive_command, for which `command` is the reading.
std::vector<std::string> command_doubts(const StanzaSettings& stanza,
                                        const postgres::ServerInfo& server,
                                        const ArchiveCommand& command) {
  const std::string set = "set " + push_command(stanza);
  if (!command.pushes) {
    const std::string what = command.program == "pgcairn"
                                 ? std::string("pgcairn without its command archive-push")
                                 : format("\"{}\", not pgcairn's archive-push", command.program);
    return {format("archive_command runs {}: it is '{}'; {}", what, server.archive_command, set)};
  }
  std::vector<std::string> doubts;
  if (command.stanza && *command.stanza != stanza.name) {
    doubts.push_back(
        format("archive_command archives into stanza \"{}\", and this is stanza \"{}\""
               ": {}",
               *command.stanza, stanza.name, set));
  }
  if (!command.passes_path) {
    doubts.push_back(format("archive_command passes {}: {}",
                            command.passes_name
                                ? "%f, the name of the file, and archive-push needs its path, %p"
                                : "no file to archive-push, which needs its path, %p",
                            set));
  }
  return doubts;
}

std::string text_of(const std::vector<postgres::Row>& rows, std::size_t column) {
  return !rows.empty() && rows[0].size() > column && rows[0][column] ? *rows[0][column] : "";
}

/// Where the output of archive_command is; only pg_monitor may ask which file it is.
std::string place_of_log(postgres::Connection& connection) {
  const auto rows = connection.query(
      "SELECT CASE WHEN has_function_privilege('pg_current_logfile()', 'EXECUTE')"
      " THEN pg_current_logfile() END");
  const std::string file = text_of(rows, 0);
  return file.empty() ? "the server's log" : format("the server's log (\"{}\")", file);
}

/// The last of the errors that archive-push has kept; it may not have known the stanza.
std::optional<PushFailure> last_failure(std::span<const std::filesystem::path> state_paths,
                                        const std::string& stanza) {
  std::optional<PushFailure> last;
  for (const std::filesystem::path& state_path : state_paths) {
    for (const std::string& name : {stanza, std::string()}) {
      auto failure = read_push_failure(state_path, name);
      if (failure && (!last || failure->time > last->time)) last = std::move(failure);
    }
  }
  return last;
}

/// The last error of archive-push, unless the archiver has succeeded since.
std::string words_of_push(postgres::Connection& connection, const std::string& stanza,
                          std::span<const std::filesystem::path> state_paths) {
  const auto failure = last_failure(state_paths, stanza);
  if (!failure) return {};
  const auto rows = connection.query("SELECT last_archived_time > $1 FROM pg_stat_archiver",
                                     {format_utc(failure->time)});
  if (text_of(rows, 0) == "t") return {};
  const std::string of = failure->file.empty() ? "" : format(" of \"{}\"", failure->file);
  return format(". archive-push{} failed at {}: {}", of, format_local(failure->time),
                failure->words);
}

std::string words_of_archiver(postgres::Connection& connection) {
  const auto rows = connection.query(
      "SELECT last_failed_wal, last_failed_time FROM pg_stat_archiver"
      " WHERE last_failed_time > coalesce(last_archived_time, '-infinity')");
  if (rows.empty()) {
    return ". The archiver reports no failure: archive_command may use another configuration or "
           "repository, or be slow (raise archive-timeout)";
  }
  return format(". The archiver failed with {} at {}: {} has the output of archive_command",
                text_of(rows, 0), text_of(rows, 1), place_of_log(connection));
}

}  // namespace

const char* const kArchivesAfterPromotion =
    "this is a standby with archive_mode = on: it archives after a promotion only "
    "(archive_mode = always archives at once)";

void require_archiving(const StanzaSettings& stanza, const postgres::ServerInfo& server) {
  if (server.archive_mode == "off") {
    throw PostgresError("the server does not archive: archive_mode is off",
                        format("set archive_mode = on in postgresql.conf, and {}; then restart "
                               "the server",
                               push_command(stanza)));
  }
  if (!postgres::archives(server)) {
    throw PostgresError(
        "the server does not archive: archive_command is empty",
        format("set {} in postgresql.conf, and reload the server", push_command(stanza)));
  }
}

std::vector<std::string> archiving_doubts(const StanzaSettings& stanza,
                                          const postgres::ServerInfo& server) {
  if (!server.archive_library.empty()) {
    return {
        format("archive_library is \"{}\", and the server then does not run archive_command: "
               "set archive_library = '' and {}",
               server.archive_library, push_command(stanza))};
  }
  return command_doubts(stanza, server, read_archive_command(server.archive_command));
}

std::string why_not_archived(postgres::Connection& connection, const postgres::ServerInfo& server,
                             const StanzaSettings& stanza, const std::vector<std::string>& doubts,
                             std::span<const std::filesystem::path> state_paths) {
  if (server.in_recovery) return ". The primary archives it: run \"pgcairn check\" there";
  std::string words;
  for (const std::string& doubt : doubts) words += ". " + doubt;
  const auto named = read_archive_command(server.archive_command).stanza;
  const std::string push = words_of_push(connection, named.value_or(stanza.name), state_paths);
  if (!push.empty()) return words + push;
  return words.empty() ? words_of_archiver(connection) : words;
}

}  // namespace pgcairn::engine
