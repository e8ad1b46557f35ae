#pragma once

#include <pgcairn/common/time.hpp>
#include <pgcairn/engine/progress.hpp>
#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/repo/repository.hpp>

#include <filesystem>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

namespace pgcairn::engine {

struct CheckedRepository {
  std::string name;
  std::string error;  // why the segment is not there, with what to change; empty: it is
  milliseconds waited{};
  bool reached = true;  // did it answer until now?
};

struct CheckResult {
  int pg_version = 0;  // 150018
  SystemId system_id = 0;
  bool standby = false;
  std::string segment;                // that was waited for
  std::vector<std::string> warnings;  // what works, and may not be meant so
  std::vector<std::string> notes;     // what is so, and no reason to warn
  std::vector<CheckedRepository> repositories;
  bool ok() const;
};

struct CheckOptions {
  milliseconds timeout{60'000};
  // Where archive-push of this host may keep its last error.
  std::vector<std::filesystem::path> state_paths{};
};

/// Proves that what the server writes arrives: connects, compares identities, reads the archive
/// settings, and on a primary writes the restore point "pgcairn check", ends the segment, and waits
/// until it is in every repository. On a standby, which can do neither, the last segment before its
/// latest restartpoint is looked for. Throws what keeps it from looking, each with what to change;
/// a repository that lacks the segment after the timeout, or fails while others do not, is reported
/// in the result, with the reason as far as archive_command, archive-push and the server's archiver
/// tell it.
CheckResult check_stanza(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                         const CheckOptions& options, Progress& progress, std::stop_token stop);

}  // namespace pgcairn::engine
