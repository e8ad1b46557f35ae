#pragma once

#include <exception>
#include <string_view>

namespace pgcairn::command {

/// The only place that names exit codes (pgcairn(1), EXIT STATUS).
enum class ExitCode : int {
  done = 0,
  failed = 1,
  usage = 2,     // wrong usage or configuration; nothing was touched
  warnings = 3,  // done, with warnings to read
  damaged = 4,
  missing = 10,
  locked = 11,
  wrong_key = 12,
  postgres = 13,
  interrupted = 130,
};

/// The code of what was thrown: an Error by its kind, Interrupted, or anything else.
ExitCode exit_code_of(const std::exception_ptr& thrown);

/// archive-get's own: the file is certainly in no repository.
inline constexpr ExitCode kAbsent = ExitCode::failed;

/// What the process returns. archive-push and archive-get answer PostgreSQL, not a person:
///
/// `nagios`: health answers a monitoring system: 0 ok, 1 warning, 2 critical, 3 everything else.
///
/// - archive-push: 0 or 1. Above 125 the archiver would take it for a crash and restart itself
///   without counting the failure (pgarch.c, shell_archive.c).
/// - archive-get: 1 to 125 means "no such file", which *ends* the recovery of a server with
///   recovery.signal; 126 and above stops the server (xlogarchive.c). So 1 is said only when it is
///   certain (`certain`), or where engine::taken_for_absent() finds 1 the safe answer for what
///   could not be found out (`unknown_is_absent`); everything else is 200. `signal` (0: none) that
///   ended the run gives 128 + signal, which is how a shell reports a child that a signal ended:
///   PostgreSQL takes 143 (SIGTERM) as its own fast shutdown and leaves recovery cleanly.
int process_exit_code(std::string_view verb, ExitCode code, bool certain, bool unknown_is_absent,
                      int signal, bool nagios = false);

}  // namespace pgcairn::command
