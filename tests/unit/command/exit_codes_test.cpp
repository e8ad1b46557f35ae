#include "command/exit_codes.hpp"

#include <pgcairn/common/error.hpp>

#include <csignal>
#include <stdexcept>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::command;

namespace {

template <class Thrown>
int code_of(Thrown thrown) {
  return static_cast<int>(exit_code_of(std::make_exception_ptr(std::move(thrown))));
}

}  // namespace

TEST_CASE("each kind of error has its exit code") {
  CHECK(code_of(Error("x")) == 1);
  CHECK(code_of(SystemError("x", 2)) == 1);
  CHECK(code_of(TransientError("x")) == 1);
  CHECK(code_of(ConflictError("x")) == 1);
  CHECK(code_of(UsageError("x")) == 2);
  CHECK(code_of(DamagedError("x", 0, "y")) == 4);
  CHECK(code_of(MissingError("x")) == 10);
  CHECK(code_of(LockedError("x")) == 11);
  CHECK(code_of(PostgresError("x")) == 13);
  CHECK(code_of(Interrupted()) == 130);
  CHECK(code_of(std::runtime_error("x")) == 1);
  CHECK(code_of(42) == 1);
}

TEST_CASE("verbs for people return the code itself") {
  for (const int code : {0, 1, 2, 3, 4, 10, 11, 13, 130}) {
    CHECK(process_exit_code("backup", ExitCode(code), false, false, 0) == code);
  }
  CHECK(process_exit_code("backup", ExitCode::interrupted, false, false, SIGTERM) == 130);
}

TEST_CASE("archive-push returns 0 or 1 whatever happens") {
  for (const int code : {0, 1, 2, 3, 4, 10, 11, 13, 130}) {
    for (const int signal : {0, SIGINT, SIGTERM}) {
      CHECK(process_exit_code("archive-push", ExitCode(code), false, true, signal) ==
            (code == 0 ? 0 : 1));
    }
  }
}

TEST_CASE("archive-get says 1 only when it is certain, or where that is the safe answer") {
  CHECK(process_exit_code("archive-get", ExitCode::done, true, false, 0) == 0);
  CHECK(process_exit_code("archive-get", kAbsent, true, false, 0) == 1);
  for (const int code : {1, 2, 4, 10, 11, 13, 130}) {
    CHECK(process_exit_code("archive-get", ExitCode(code), false, false, 0) == 200);
    CHECK(process_exit_code("archive-get", ExitCode(code), false, true, 0) == 1);
  }
}

TEST_CASE("archive-get ended by a signal looks as if the signal had ended it") {
  CHECK(process_exit_code("archive-get", ExitCode::interrupted, false, false, SIGTERM) == 143);
  CHECK(process_exit_code("archive-get", ExitCode::failed, true, true, SIGTERM) == 143);
  CHECK(process_exit_code("archive-get", ExitCode::done, true, false, SIGTERM) == 0);
}

TEST_CASE("health answers nagios with a plugin's codes, and never takes a failure for critical") {
  const auto code = [](ExitCode of, bool certain) {
    return process_exit_code("health", of, certain, false, 0, true);
  };
  CHECK(code(ExitCode::done, true) == 0);
  CHECK(code(ExitCode::warnings, true) == 1);
  CHECK(code(ExitCode::damaged, true) == 2);
  CHECK(code(ExitCode::failed, true) == 3);
  for (const int thrown : {1, 2, 4, 10, 11, 13, 130}) CHECK(code(ExitCode(thrown), false) == 3);
}
