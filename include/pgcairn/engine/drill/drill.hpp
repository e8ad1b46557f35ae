#pragma once

#include <pgcairn/engine/restore/restore.hpp>

#include <filesystem>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// A question to the restored cluster, and the answer that is right.
struct DrillQuestion {
  std::string database;  // empty: "postgres"
  std::string statement;
  std::string answer = "t";  // the first column of its first row
};
/// Out of "DATABASE: STATEMENT => ANSWER", where database and answer may be left out.
DrillQuestion parse_drill_question(std::string_view text);

/// Namespaces for the drill's server: where they are to be had, or not at all, or not without them.
enum class SandboxUse { automatic, required, off };

struct DrillOptions {
  std::filesystem::path directory;   // for all that the drill makes; empty, absent, or a drill's
  RestoreOptions restore;            // restore_command for data_directory_of(directory)
  std::filesystem::path programs;    // PostgreSQL's; empty: they are looked for
  std::string user;                  // a role of the cluster; empty: the usual ones
  milliseconds timeout{86'400'000};  // for all of it
  SandboxUse sandbox = SandboxUse::automatic;
  std::vector<DrillQuestion> questions;
  bool amcheck = true;  // read all tables and indexes, where the server has pg_amcheck
  bool foreign_keys = false;
  bool keep = false;   // the restored cluster, for the next drill to begin with
  bool record = true;  // the outcome, in the repository
};

/// Where the restored cluster's data directory is.
std::filesystem::path data_directory_of(const std::filesystem::path& drill_directory);

struct DrillResult {
  std::string repository;
  std::string backup;
  std::string reason;                 // why this one
  std::vector<std::string> findings;  // what is not good
  std::vector<std::string> unproved;  // what this machine kept from being looked at
  std::vector<std::string> notes;
  double restore_seconds = 0;
  RestoreResult restored;
  double recovery_seconds = 0;
  std::uint64_t wal_bytes = 0;  // replayed
  Lsn end;                      // where replay ended
  std::optional<Timestamp> last_transaction;
  std::uint64_t databases = 0;
  std::uint64_t relations = 0;
  bool amcheck = false;            // pg_amcheck looked at all of it
  std::uint64_t foreign_keys = 0;  // that were looked at
  std::uint64_t questions = 0;
  bool started = false;              // recovery came to its end
  bool sandboxed = false;            // the server saw nothing of the host but programs
  std::filesystem::path kept;        // the directory, when it was kept
  postgres::Settings kept_settings;  // with which a server can be started on it beside others
  int pg_version = 0;                // of the restored cluster
  /// Everything was looked at, and all of it was good.
  bool good() const { return findings.empty() && unproved.empty(); }
};

/// Restores into a directory of its own, starts a private server there, recovers to the target,
/// looks at what came out, and takes it all away again. Touches nothing of the live cluster. What
/// is wrong with the backup, the archive or the cluster is a result; what keeps the drill from
/// being done is thrown.
DrillResult drill(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                  const DrillOptions& options, Progress& progress, std::stop_token stop);

}  // namespace pgcairn::engine
