#include "exit_codes.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/keyring.hpp>

namespace pgcairn::command {

ExitCode exit_code_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const UsageError&) {
    return ExitCode::usage;
  } catch (const DamagedError&) {
    return ExitCode::damaged;
  } catch (const MissingError&) {
    return ExitCode::missing;
  } catch (const LockedError&) {
    return ExitCode::locked;
  } catch (const repo::KeyError&) {
    return ExitCode::wrong_key;
  } catch (const PostgresError&) {
    return ExitCode::postgres;
  } catch (const Interrupted&) {
    return ExitCode::interrupted;
  } catch (...) {
    return ExitCode::failed;
  }
}

int process_exit_code(std::string_view verb, ExitCode code, bool certain, bool unknown_is_absent,
                      int signal, bool nagios) {
  if (nagios) {
    if (code == ExitCode::done) return 0;
    if (code == ExitCode::warnings) return 1;
    return certain && code == ExitCode::damaged ? 2 : 3;
  }
  if (verb == "archive-push") return code == ExitCode::done ? 0 : 1;
  if (verb == "archive-get") {
    if (code == ExitCode::done) return 0;
    if (signal != 0) return 128 + signal;
    return certain || unknown_is_absent ? 1 : 200;
  }
  return static_cast<int>(code);
}

}  // namespace pgcairn::command
