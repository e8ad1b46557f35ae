#include "engine/wal/wait.hpp"

#include "support/repository.hpp"
#include "support/says.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/repo/layout.hpp>

#include <chrono>
#include <thread>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;
using namespace std::chrono_literals;

namespace {

using Names = std::vector<std::string>;
const repo::Cluster kCluster{7412345678901234567, 15};

void archive(repo::Repository& repository, const std::string& segment) {
  const auto codec = compress::make_codec(compress::CodecId::none);
  repository.put_wal("main", kCluster, segment, repo::wal_content(as_bytes("wal")), *codec);
}

}  // namespace

TEST_CASE("the WAL that is missing of a range") {
  const std::string a = "0000000100000000000000FD";
  const std::string b = "0000000100000000000000FE";
  const std::string c = "0000000100000000000000FF";
  const std::string d = "000000010000000100000000";
  const std::string e = "000000010000000100000001";
  const std::string other = "0000000200000000000000FE";
  const struct {
    Names present;
    std::string first;
    std::string last;
    Names missing;
  } table[] = {
      {{b}, b, b, {}},
      {{}, b, b, {b}},
      {{a, b, c, d, e}, a, e, {}},
      {{a, b, d, e}, a, e, {c}},
      {{b, c, d}, a, e, {a, e}},
      {{a, e}, b, d, {b, c, d}},  // over the end of a log
      {{a, c, other}, a, c, {b}},
      {{}, a, e, {a, b, c, d, e}},
  };
  for (const auto& row : table)
    CHECK(missing_wal({row.present, {}, {}}, row.first, row.last, 16 * kMiB) == row.missing);
  // With segments of 1 GiB a log has four.
  CHECK(missing_wal({}, "000000010000000000000003", "000000010000000100000000", kGiB) ==
        Names{"000000010000000000000003", "000000010000000100000000"});
}

TEST_CASE("waiting for WAL ends when all of it is there") {
  MemoryRepository memory;
  const std::string first = "000000010000000000000006";
  const std::string last = "000000010000000000000007";
  archive(memory.repository, first);
  std::jthread archiver([&] {
    sleep_for(30ms, {});
    archive(memory.repository, last);
  });
  CHECK_NOTHROW(
      wait_for_wal(memory.repository, "main", kCluster, first, last, 16 * kMiB, 10min, {}));
}

TEST_CASE("waiting for WAL that does not come ends in words") {
  MemoryRepository memory;
  const std::string first = "000000010000000000000006";
  const std::string last = "000000010000000000000008";
  const auto wait = [&](milliseconds timeout, std::stop_token stop = {}) {
    wait_for_wal(memory.repository, "main", kCluster, first, last, 16 * kMiB, timeout, stop);
  };
  CHECK_THAT(error_of([&] { wait(20ms); }), Says({first, "3 segments", "archive_command"}));
  // The last one alone does not prove the others.
  archive(memory.repository, last);
  CHECK_THAT(error_of([&] { wait(20ms); }), Says({first, "2 segments", "memory"}));
  archive(memory.repository, first);
  CHECK_THAT(error_of([&] { wait(20ms); }), Says({"000000010000000000000007"}));

  std::stop_source stopped;
  stopped.request_stop();
  CHECK_THROWS_AS(wait(10s, stopped.get_token()), Interrupted);
  repo::Repository down = memory.client({[&](std::string_view operation, std::string_view) {
                                           if (operation == "stat") throw TransientError("down");
                                         },
                                         {}});
  CHECK_THROWS_AS(wait_for_wal(down, "main", kCluster, first, last, 16 * kMiB, 10s, {}),
                  TransientError);
}

TEST_CASE("WAL that belongs to a repository that stood here before does not end the wait well") {
  const TempDir directory;
  const auto client = [&] { return storage::make_posix(directory / "repo"); };
  repo::Repository old("old", client());
  old.create();
  const std::vector<std::string> names = {"000000010000000000000006", "000000010000000000000007"};
  const std::string stale = GENERATE_COPY(from_range(names));
  archive(old, stale);
  const auto kept = object(*client(), repo::wal_key("main", repo::cluster_id(kCluster), stale));
  fs::remove_all(directory / "repo");
  repo::Repository now("now", client());
  now.create();
  for (const std::string& name : names) {
    if (name != stale) archive(now, name);
  }
  client()->put(repo::wal_key("main", repo::cluster_id(kCluster), stale), as_bytes(kept),
                storage::IfExists::fail);
  const auto wait = [&] {
    wait_for_wal(now, "main", kCluster, names.front(), names.back(), 16 * kMiB, 10s, {});
  };
  CHECK_THAT(error_of<DamagedError>(wait), Says({stale, "another repository"}));
  // Long after it was made nobody remembers another one; nothing is read then.
  fs::last_write_time(directory / "repo" / repo::kRepositoryKey,
                      fs::file_time_type::clock::now() - 11min);
  CHECK_NOTHROW(wait());
}
