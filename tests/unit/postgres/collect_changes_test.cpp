#include "support/fake_clock.hpp"
#include "support/says.hpp"
#include "support/summary_file.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/postgres/changed_blocks.hpp>

#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace pgcairn::postgres {
namespace {

constexpr RelationKey kTable{1663, 5, 16384};

TimelineRange range(Timeline timeline, std::uint64_t begin, std::uint64_t end) {
  return {timeline, Lsn{begin}, Lsn{end}};
}

SummarizerState at(Timeline timeline, std::uint64_t lsn, std::uint64_t pending = 0) {
  return {{timeline, Lsn{lsn}}, Lsn{pending}, true};
}

std::string marking(std::uint32_t block) {
  test::SummaryWriter writer;
  writer.mark(kTable, block);
  return writer.bytes();
}

// A server whose summarizer gets on while we wait.
struct FakeServer {
  std::vector<TimelineRange> summaries;
  SummarizerState state;
  test::FakeClock clock;

  SummariesFound wait(const std::vector<TimelineRange>& ranges, std::stop_token stop = {}) {
    return wait_for_summaries(
        ranges, [&] { return summaries; }, [&] { return state; }, SummaryWait{}, clock, stop);
  }
};

}  // namespace

TEST_CASE("summaries that are all there are not waited for", "[postgres][summary]") {
  FakeServer server;
  server.summaries = {range(1, 0x10, 0x20), range(1, 0x20, 0x30)};
  const SummariesFound found = server.wait({range(1, 0x15, 0x30)});
  CHECK(found.reason.empty());
  CHECK(found.summaries.size() == 2);
  CHECK(server.clock.slept().empty());
}

TEST_CASE("nothing in between needs no summary", "[postgres][summary]") {
  CHECK(FakeServer().wait({}).reason.empty());
}

TEST_CASE("the summarizer is waited for while it gets on", "[postgres][summary]") {
  FakeServer server;
  server.state = at(1, 0x10);
  // Minutes, but never a minute without progress; the last looks are rare.
  int sleeps = 0;
  server.clock.before_sleep = [&](milliseconds) {
    if (++sleeps % 50 == 0) ++server.state.pending_lsn.value;
    if (sleeps == 500) server.summaries.push_back(range(1, 0x10, 0x30));
  };
  const SummariesFound found = server.wait({range(1, 0x10, 0x30)});
  CHECK(found.reason.empty());
  CHECK(sleeps == 500);
  CHECK(found.waited == server.clock.slept_in_all());
  CHECK(found.waited > std::chrono::minutes(6));
  CHECK(server.clock.slept().front() == milliseconds(100));
  CHECK(server.clock.slept().back() == milliseconds(1000));
}

TEST_CASE("a summarizer without progress is given up after a minute", "[postgres][summary]") {
  FakeServer server;
  server.state = at(1, 0x10, 0x18);
  const SummariesFound found = server.wait({range(1, 0x10, 0x30)});
  CHECK_THAT(found.reason,
             test::Says({"no progress for 1m00s at 0/10 on timeline 1", "0/30 is needed"}));
  CHECK(server.clock.slept_in_all() >= std::chrono::seconds(60));
  CHECK(server.clock.slept_in_all() <= std::chrono::seconds(61));
}

TEST_CASE("a summarizer that does not run is not waited for", "[postgres][summary]") {
  FakeServer server;
  server.state = at(1, 0x10);
  server.state.running = false;
  const SummariesFound found = server.wait({range(1, 0x10, 0x30)});
  CHECK_THAT(found.reason, test::Says({"not running", "0/10 to 0/30"}));
  CHECK(server.clock.slept().empty());
}

TEST_CASE("WAL that the summarizer has passed will not be summarized", "[postgres][summary]") {
  FakeServer server;
  server.summaries = {range(1, 0x10, 0x18), range(1, 0x20, 0x28)};
  SECTION("on this timeline") {
    server.state = at(1, 0x28);
  }
  SECTION("on a later timeline") {
    server.state = at(2, 0x12);
  }
  const SummariesFound found = server.wait({range(1, 0x10, 0x30)});
  CHECK(found.reason == "no WAL summary covers 0/18 to 0/20 on timeline 1");
  CHECK(server.clock.slept().empty());
}

TEST_CASE("a summarizer ahead on an older timeline still has to come", "[postgres][summary]") {
  // A standby's summarizer may have gone beyond the switch before it learns of the new timeline.
  FakeServer server;
  server.summaries = {range(1, 0x10, 0x28)};
  server.state = at(1, 0x28);
  server.clock.before_sleep = [&](milliseconds) {
    server.summaries.push_back(range(2, 0x20, 0x30));
  };
  const SummariesFound found = server.wait({range(1, 0x10, 0x20), range(2, 0x20, 0x30)});
  CHECK(found.reason.empty());
  CHECK(found.summaries.size() == 2);
}

TEST_CASE("a gap where the range begins tells what it may come from", "[postgres][summary]") {
  FakeServer server;
  server.state = at(1, 0x30);
  server.summaries = {range(1, 0x18, 0x30)};
  CHECK_THAT(server.wait({range(1, 0x10, 0x30)}).reason,
             test::Says({"0/10 to 0/18", "wal_summary_keep_time"}));
}

TEST_CASE("summaries that are kept for less than two backups are warned of",
          "[postgres][summary]") {
  using namespace std::chrono_literals;
  CHECK(keep_time_warning(0min, 1000h).empty());  // for ever
  CHECK(keep_time_warning(48h, 24h).empty());
  CHECK_THAT(keep_time_warning(48h - 1min, 24h), test::Says({"wal_summary_keep_time", "raise it"}));
}

TEST_CASE("a stop ends the wait for the summarizer", "[postgres][summary]") {
  FakeServer server;
  server.state = at(1, 0x10);
  std::stop_source stop;
  server.clock.before_sleep = [&](milliseconds) { stop.request_stop(); };
  CHECK_THROWS_AS(server.wait({range(1, 0x10, 0x30)}, stop.get_token()), Interrupted);
}

TEST_CASE("summaries are read from pg_wal, across timelines", "[postgres][summary]") {
  const test::TempDir data;
  const std::vector<TimelineRange> ranges{range(1, 0x10, 0x20), range(2, 0x20, 0x30)};
  test::write_summary(data.path(), range(1, 0x8, 0x18), marking(1));
  test::write_summary(data.path(), range(1, 0x18, 0x20), marking(2));
  test::write_summary(data.path(), range(2, 0x20, 0x30), marking(3));
  SECTION("those of other WAL are not read") {
    test::write_summary(data.path(), range(1, 0x20, 0x28), marking(4));
    test::write_summary(data.path(), range(2, 0x30, 0x38), marking(5));
    test::write_summary(data.path(), range(3, 0x20, 0x30), marking(6));
    write_file_atomically(data / "pg_wal/summaries/temp.summary", as_bytes(marking(7)));
    const SummariesRead read = read_summaries(data.path(), ranges, {});
    REQUIRE(read.changed);
    CHECK(read.reason.empty());
    CHECK(read.files == 3);
    CHECK(read.bytes == 3 * marking(1).size());
    const FileChange change = read.changed->change_of(kTable, 0);
    CHECK(change.count(100) == 3);
    CHECK(change.contains(1));
    CHECK(change.contains(2));
    CHECK(change.contains(3));
  }
  SECTION("one that is missing is a reason") {
    fs::remove(data / "pg_wal/summaries" / wal_summary_name(range(1, 0x18, 0x20)));
    const SummariesRead read = read_summaries(data.path(), ranges, {});
    CHECK_FALSE(read.changed);
    CHECK(read.reason == "no WAL summary covers 0/18 to 0/20 on timeline 1");
  }
  SECTION("one that is damaged is an error that names it") {
    std::string bytes = marking(2);
    bytes[10] ^= 1;
    const fs::path path = test::write_summary(data.path(), range(1, 0x18, 0x20), bytes);
    CHECK_THAT(test::error_of<DamagedError>([&] { read_summaries(data.path(), ranges, {}); }),
               test::Says({path.native(), "wrong checksum"}));
  }
}

TEST_CASE("a summary that vanishes between listing and reading", "[postgres][summary]") {
  // A link that leads nowhere is listed but cannot be opened, like a file just removed; it stays
  // in the list, so this ends by giving up.
  const test::TempDir data;
  const fs::path path = test::write_summary(data.path(), range(1, 0x10, 0x20), marking(1));
  fs::remove(path);
  fs::create_symlink("nowhere", path);
  const std::vector<TimelineRange> ranges{range(1, 0x10, 0x20)};
  const SummariesRead read = read_summaries(data.path(), ranges, {});
  CHECK_FALSE(read.changed);
  CHECK(read.reason == "WAL summaries vanished while they were read");
}

}  // namespace pgcairn::postgres
