#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/control.hpp>
#include <pgcairn/postgres/recovery_state.hpp>

#include <string>

#include <catch2/catch.hpp>
#include <support/cluster_files.hpp>
#include <support/temp_dir.hpp>

namespace pgcairn::postgres {

namespace {

struct Row {
  const char* signals;  // names, with spaces
  int state;            // of pg_control; -1: there is none
  bool never_started;
  RecoveryState expected;
};

}  // namespace

TEST_CASE("what recovery a data directory is in", "[postgres][recovery]") {
  constexpr int production = 6;
  constexpr int archive_recovery = 5;
  constexpr int crash_recovery = 4;
  constexpr int shut_down_in_recovery = 2;
  const auto row = GENERATE_COPY(values<Row>({
      {"", -1, false, RecoveryState::none},
      {"", production, false, RecoveryState::none},
      {"", crash_recovery, false, RecoveryState::none},
      {"", shut_down_in_recovery, false, RecoveryState::none},
      {"", archive_recovery, false, RecoveryState::ending},
      {"recovery.signal", -1, false, RecoveryState::recovering},
      {"recovery.signal", production, true, RecoveryState::recovering},
      {"recovery.signal", archive_recovery, false, RecoveryState::recovering},
      {"standby.signal", -1, false, RecoveryState::standby},
      {"standby.signal", production, true, RecoveryState::new_standby},
      {"standby.signal", production, false, RecoveryState::standby},
      {"standby.signal", archive_recovery, false, RecoveryState::standby},
      {"standby.signal recovery.signal", archive_recovery, false, RecoveryState::standby},
  }));
  const test::TempDir data;
  if (row.state >= 0) test::put_control(data.path(), row.state, row.never_started);
  for (const std::string& name : split(row.signals, ' ')) {
    if (!name.empty()) test::put_file(data.path() / name, "");
  }
  INFO(row.signals << " state " << row.state);
  CHECK(recovery_state(data.path()) == row.expected);
}

TEST_CASE("what cannot be read is no recovery", "[postgres][recovery]") {
  const test::TempDir data;
  CHECK(recovery_state(data.path() / "gone") == RecoveryState::none);
  test::put_file(data.path() / "global", "a file");
  CHECK(recovery_state(data.path()) == RecoveryState::none);
  const test::TempDir damaged;
  test::put_file(damaged.path() / "global/pg_control", "damaged");
  CHECK(recovery_state(damaged.path()) == RecoveryState::none);
  test::put_file(damaged.path() / "recovery.signal", "");
  CHECK(recovery_state(damaged.path()) == RecoveryState::recovering);
  test::put_file(damaged.path() / "standby.signal", "");
  CHECK(recovery_state(damaged.path()) == RecoveryState::standby);
}

}  // namespace pgcairn::postgres
