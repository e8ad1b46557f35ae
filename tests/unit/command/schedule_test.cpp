#include "schedule.hpp"

#include "support/temp_dir.hpp"

#include <pgcairn/common/file.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::command;
using namespace pgcairn::test;

TEST_CASE("a schedule is a file of cron or systemd that names pgcairn") {
  const TempDir root;
  CHECK(is_scheduled(root.path()) == false);
  fs::create_directories(root / "etc/cron.d");
  fs::create_directories(root / "etc/systemd/system/multi-user.target.wants");
  write_file_atomically(root / "etc/cron.d/other", as_bytes("* * * * * root true\n"));
  CHECK(is_scheduled(root.path()) == false);
  SECTION("of cron") {
    write_file_atomically(root / "etc/cron.d/x", as_bytes("0 1 * * * postgres pgcairn backup\n"));
    CHECK(is_scheduled(root.path()) == true);
  }
  SECTION("of systemd") {
    write_file_atomically(root / "etc/systemd/system/b.service", as_bytes("ExecStart=pgcairn\n"));
    CHECK(is_scheduled(root.path()) == true);
  }
  SECTION("one that cannot be read may be it") {
    fs::create_symlink("crontab", root / "etc/crontab");
    CHECK_FALSE(is_scheduled(root.path()).has_value());
  }
}
