#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/wal/archive.hpp>

#include <filesystem>

#include <catch2/catch.hpp>
#include <support/cluster_files.hpp>
#include <support/temp_dir.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using State = postgres::RecoveryState;

namespace {

constexpr const char* kSegment = "000000020000000000000005";
constexpr const char* kHistory = "00000003.history";

/// For the time of a test, as the server works in its data directory.
struct WorkingIn {
  explicit WorkingIn(const std::filesystem::path& directory)
      : before(std::filesystem::current_path()) {
    std::filesystem::current_path(directory);
  }
  ~WorkingIn() { std::filesystem::current_path(before); }
  WorkingIn(const WorkingIn&) = delete;
  WorkingIn& operator=(const WorkingIn&) = delete;
  std::filesystem::path before;
};

}  // namespace

TEST_CASE("what could not be found out is absent only where recovery does not end by it") {
  struct Row {
    State state;
    bool segment;
    bool history;
  };
  // The table of pgcairn-archive-get(1), ANSWERS: true is 1, false is 200.
  const Row rows[] = {
      {State::none, false, false},       {State::recovering, false, false},
      {State::new_standby, true, false}, {State::standby, true, true},
      {State::ending, false, true},
  };
  for (const Row& row : rows) {
    INFO("state " << static_cast<int>(row.state));
    CHECK(taken_for_absent({kSegment, {}, {}, row.state}) == row.segment);
    CHECK(taken_for_absent({kHistory, {}, {}, row.state}) == row.history);
    // Of a wrong command line it is not known what is asked for.
    CHECK(taken_for_absent({"", {}, {}, row.state}) == row.segment);
  }
}

TEST_CASE("a timeline without a history, and one whose history is at hand, ask no repository") {
  const test::TempDir data;
  const auto destination = data.path() / "pg_wal/RECOVERYHISTORY";
  test::put_file(data.path() / "pg_wal" / kHistory, "1\t0/5000000\tno reason\n");
  test::put_file(data.path() / "pg_wal" / kSegment, "");
  for (const State state :
       {State::none, State::recovering, State::new_standby, State::standby, State::ending}) {
    INFO("state " << static_cast<int>(state));
    CHECK(is_known_absent({"00000001.history", destination, {}, state}));
    CHECK(is_known_absent({kHistory, destination, {}, state}) == (state == State::ending));
    CHECK_FALSE(is_known_absent({"00000004.history", destination, {}, state}));
    CHECK_FALSE(is_known_absent({kSegment, destination, {}, state}));
  }
}

TEST_CASE("a request is made in the data directory that the server works in") {
  const test::TempDir standby;
  const test::TempDir copy;
  const test::TempDir elsewhere;
  constexpr int archive_recovery = 5;
  test::put_control(standby.path(), archive_recovery);
  test::put_file(standby.path() / "standby.signal", "");
  test::put_control(copy.path(), archive_recovery);
  test::put_file(copy.path() / "recovery.signal", "");
  const auto in_copy = copy.path() / "pg_wal/RECOVERYXLOG";
  {
    const WorkingIn working(copy.path());
    const WalRequest request = wal_request(kSegment, "pg_wal/RECOVERYXLOG");
    CHECK(request.state == State::recovering);
    CHECK(std::filesystem::equivalent(request.directory, copy.path()));
    CHECK(request.destination.is_absolute());
  }
  {
    const WorkingIn working(standby.path());
    CHECK(wal_request(kSegment, in_copy).state == State::standby);
  }
  const WorkingIn working(elsewhere.path());
  const WalRequest request = wal_request(kSegment, in_copy);
  CHECK(request.state == State::recovering);
  CHECK(request.directory == copy.path());
  CHECK(wal_request(kSegment, "pg_wal/RECOVERYXLOG").state == State::none);
  CHECK(wal_request(kSegment, "").directory.empty());
}
