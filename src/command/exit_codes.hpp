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
/// - archive-get: with recovery.signal, 1 to 125 means "no such file" and *ends the recovery*;
///   126 and above stops the server (xlogarchive.c). So 1 is said only when it is certain
///   (`certain`), everything else is 200. On a standby 1 means "ask again later" and 200 would stop
///   the server because an archive is out of reach: there it is 1. `signal` (0: none) that ended
///   the run gives 128 + signal, which is how a shell reports a child that a signal ended:
///   PostgreSQL takes 143 (SIGTERM) as its own fast shutdown and leaves recovery cleanly.
int process_exit_code(std::string_view verb, ExitCode code, bool certain, bool on_standby,
                      int signal, bool nagios = false);

}  // namespace pgcairn::command
