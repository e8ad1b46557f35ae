#include "postgres/wal_requests.hpp"

#include "support/temp_dir.hpp"

#include <pgcairn/common/child.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>
#include <fcntl.h>

using namespace pgcairn;
using namespace pgcairn::postgres;
using namespace pgcairn::test;

namespace {

/// As the server asks: %f, %p and %% replaced, read by a shell; its status.
int ask(const TempDir& home, const fs::path& directory, const std::string& name,
        const std::string& place) {
  std::string script;
  const std::string command = WalRequests::restore_command(directory);
  for (std::size_t i = 0; i < command.size(); ++i) {
    if (command[i] != '%') {
      script += command[i];
      continue;
    }
    ++i;
    script += command[i] == 'f' ? name : command[i] == 'p' ? place : "%";
  }
  ChildCommand child;
  child.words = {"/bin/sh", "-c", script};
  child.environment = {"PATH=/usr/bin:/bin"};
  child.output = home / "said";
  return run_child(child, {});
}

constexpr const char* kSegment = "000000010000000000000003";
constexpr const char* kLog = "pg_wal/RECOVERYXLOG";

}  // namespace

TEST_CASE("a server's questions for WAL are answered with the statuses that it knows") {
  const TempDir home;
  const fs::path directory = home / "with 'quotes', 100% and $x";
  fs::create_directory(directory);
  std::vector<std::string> asked;
  const Beneath open(directory);
  {
    const WalRequests requests(open, [&](const std::string& name, const std::string& to) {
      asked.push_back(name + " " + to);
      if (name == "00000002.history") return WalAnswer::absent;
      if (name == "00000003.history") throw Error("the store is down");
      return WalAnswer::given;
    });
    CHECK(ask(home, directory, kSegment, kLog) == 0);
    CHECK(ask(home, directory, "00000002.history", "pg_wal/RECOVERYHISTORY") == 1);
    CHECK(ask(home, directory, kSegment, kLog) == 0);
  }  // the end of the thread that answers: what it noted can be read
  CHECK(asked == std::vector<std::string>{"000000010000000000000003 pg_wal/RECOVERYXLOG",
                                          "00000002.history pg_wal/RECOVERYHISTORY",
                                          "000000010000000000000003 pg_wal/RECOVERYXLOG"});
}

TEST_CASE("questions that no recovery asks are not put to the archive") {
  const TempDir home;
  bool given = false;
  const WalRequests requests(Beneath(home.path()), [&](const std::string&, const std::string&) {
    given = true;
    return WalAnswer::given;
  });
  CHECK(ask(home, home.path(), kSegment, "/etc/passwd") == 200);
  CHECK(ask(home, home.path(), kSegment, "pg_wal/../../x") == 200);
  CHECK(ask(home, home.path(), "../3", kLog) == 200);
  CHECK_FALSE(given);
}

TEST_CASE("nobody who answers is no answer, not an absent file") {
  const TempDir home;
  { const WalRequests gone(Beneath(home.path()), {}); }
  CHECK(ask(home, home / "absent", kSegment, kLog) == 200);
}

TEST_CASE("who asks and never listens, or never ends, does not keep anybody from going on") {
  const TempDir home;
  std::size_t given = 0;
  const Fd questions = [&] {
    const WalRequests requests(Beneath(home.path()), [&](const std::string&, const std::string&) {
      ++given;
      return WalAnswer::given;
    });
    Fd asking = open_file(home / "wal-wanted", O_WRONLY);
    const std::string line = format("{} {}\n", kSegment, kLog);
    for (int i = 0; i < 5000; ++i) write_all(asking, as_bytes(line), "wal-wanted");  // 128 KiB
    const std::string endless(64 * kKiB, 'x');
    for (int i = 0; i < 4; ++i) write_all(asking, as_bytes(endless), "wal-wanted");
    return asking;
  }();  // the end of it is what is to be seen
  CHECK(given > 0);
}
