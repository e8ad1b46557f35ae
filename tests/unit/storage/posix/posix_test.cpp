#include "support/random.hpp"
#include "support/says.hpp"
#include "support/small_disk.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <atomic>
#include <fstream>
#include <thread>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace pgcairn;
using namespace pgcairn::storage;
using test::error_of;
using test::Says;
using test::SmallDisk;
using test::TempDir;
using Keys = std::vector<std::string>;

namespace {

bool put(Driver& driver, std::string_view key, std::string_view body = "content",
         IfExists if_exists = IfExists::fail) {
  return driver.put(key, as_bytes(body), if_exists);
}

Keys keys_of(Driver& driver, std::string_view prefix = {}) {
  Keys keys;
  driver.list(prefix, [&](const Object& object) { keys.push_back(object.key); });
  return keys;
}

bool has(Driver& driver, std::string_view key) {
  Buffer out;
  return driver.get(key, {}, out);
}

/// Every name below `path`, hidden ones as well.
std::size_t names_below(const fs::path& path) {
  std::size_t count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(path)) count += entry.exists();
  return count;
}

mode_t mode_of(const fs::path& path) {
  return stat_if_exists(path)->st_mode & 07777;
}

void with_calls_failing(std::initializer_list<test::FailingCall> calls,
                        const std::function<void()>& action) {
  if (!test::with_failing_calls(calls, action)) WARN("skipped: no seccomp filters here");
}

constexpr long kLinkCall = SYS_linkat;

}  // namespace

TEST_CASE("posix: modes are 0640 and 0750, less the umask") {
  const TempDir directory;
  const mode_t before = ::umask(GENERATE(mode_t{0}, mode_t{0077}));
  const mode_t mask = ::umask(0);
  ::umask(mask);
  const auto driver = make_posix(directory / "repo");
  put(*driver, "main/backup/1");
  ::umask(before);
  CHECK(mode_of(directory / "repo") == (0750 & ~mask));
  CHECK(mode_of(directory / "repo/main") == (0750 & ~mask));
  CHECK(mode_of(directory / "repo/main/backup") == (0750 & ~mask));
  CHECK(mode_of(directory / "repo/main/backup/1") == (0640 & ~mask));
  CHECK(names_below(directory.path()) == 4);
}

TEST_CASE("posix: the root is made, what is above it is not") {
  const TempDir directory;
  const auto driver = make_posix(directory / "mnt/repo");
  CHECK(keys_of(*driver).empty());
  CHECK_FALSE(has(*driver, "pgcairn.json"));
  const std::string error = error_of([&] { put(*driver, "pgcairn.json"); });
  CHECK_THAT(error, (Says{"cannot create \"" + (directory / "mnt/repo").native(),
                          "hint: create \"" + (directory / "mnt").native()}));
  fs::create_directory(directory / "mnt");
  CHECK(put(*driver, "pgcairn.json"));
}

TEST_CASE("posix: the root may be a link, relative, or end with a slash") {
  const TempDir directory;
  fs::create_directory(directory / "real");
  fs::create_directory_symlink(directory / "real", directory / "link");
  const auto driver = make_posix(directory / "link/");
  CHECK(put(*driver, "a/b"));
  CHECK(keys_of(*driver) == Keys{"a/b"});
  CHECK(fs::exists(directory / "real/a/b"));
  driver->remove({{"a/b"}});
  CHECK(fs::is_symlink(directory / "link"));
  CHECK(fs::is_empty(directory / "real"));

  const fs::path before = fs::current_path();
  fs::current_path(directory.path());
  const auto relative = make_posix("here");
  CHECK(put(*relative, "a"));
  CHECK(keys_of(*relative) == Keys{"a"});
  fs::current_path(before);
  CHECK(fs::exists(directory / "here/a"));
}

TEST_CASE("posix: what a crash left is not listed, and remove clears it once it is old") {
  const TempDir directory;
  const auto driver = make_posix(directory.path());
  put(*driver, "main/pack/1");
  put(*driver, "main/pack/2");
  const fs::path old_file = directory / "main/pack/.0123456789abcdef.pgcairn.tmp";
  const fs::path new_file = directory / "main/pack/.fedcba9876543210.pgcairn.tmp";
  const fs::path strange = directory / "main/pack/.nfs000000001";
  for (const fs::path& path : {old_file, new_file, strange}) std::ofstream(path) << "half";
  fs::last_write_time(old_file, fs::file_time_type::clock::now() - std::chrono::hours(25));
  fs::last_write_time(strange, fs::file_time_type::clock::now() - std::chrono::hours(25));
  CHECK(keys_of(*driver) == Keys{"main/pack/1", "main/pack/2"});
  driver->remove({{"main/pack/1"}});
  CHECK_FALSE(fs::exists(old_file));
  CHECK(fs::exists(new_file));
  CHECK(fs::exists(strange));
  driver->remove({{"main/pack/2"}});
  CHECK(keys_of(*driver).empty());
  CHECK(fs::exists(new_file));
}

TEST_CASE("posix: names that are no keys are passed over, even when they cannot be read") {
  const TempDir directory;
  fs::permissions(directory.path(), fs::perms::all);
  fs::create_directory(directory / "lost+found");
  fs::permissions(directory / "lost+found", fs::perms::none);
  std::ofstream(directory / "note to self") << "x";
  std::ofstream(directory / "backup~") << "x";
  test::unprivileged([&] {
    const auto driver = make_posix(directory.path());
    put(*driver, "a/b");
    CHECK(keys_of(*driver) == Keys{"a/b"});
  });
  fs::permissions(directory / "lost+found", fs::perms::all);  // so that it can be removed
}

TEST_CASE("posix: remove prunes what became empty, never the root") {
  const TempDir directory;
  const auto driver = make_posix(directory / "repo");
  put(*driver, "main/backup/1/pack/1");
  put(*driver, "main/backup/1/pack/2");
  put(*driver, "main/wal/1/x");
  driver->remove({{"main/backup/1/pack/1"}});
  CHECK(fs::exists(directory / "repo/main/backup/1/pack"));
  driver->remove({{"main/backup/1/pack/2"}});
  CHECK_FALSE(fs::exists(directory / "repo/main/backup"));
  CHECK(fs::exists(directory / "repo/main/wal"));
  driver->remove({{"main/wal/1/x"}});
  CHECK(fs::is_empty(directory / "repo"));
  CHECK(put(*driver, "main/backup/1/pack/1"));
}

TEST_CASE("posix: two drivers on one root, as two processes have them") {
  const TempDir directory(TempDir::Where::memory);
  std::atomic<int> failures = 0;
  std::atomic<int> created = 0;
  const auto work = [&](int me) {
    const auto driver = make_posix(directory.path());
    try {
      for (int i = 0; i < 150; ++i) {
        const std::string mine = format("a/b/{}/{}", i % 2, me);
        if (!put(*driver, mine, mine)) ++failures;
        driver->remove({{mine}});
        created += put(*driver, format("shared/{}", i), mine, IfExists::keep);
      }
    } catch (const Error& error) {
      ++failures;
      std::fprintf(stderr, "%s\n", error.render().c_str());
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  CHECK(failures == 0);
  CHECK(created == 150);
  CHECK(keys_of(*make_posix(directory.path())).size() == 150);
}

TEST_CASE("posix: a full disk") {
  const TempDir directory;
  SmallDisk disk(directory / "disk");
  if (!disk) return;
  const auto driver = make_posix(directory / "disk/repo");
  put(*driver, "main/1", std::string(100'000, 'x'));
  const std::string error =
      error_of<SystemError>([&] { put(*driver, "main/2", std::string(2'000'000, 'x')); });
  CHECK_THAT(error, (Says{format("cannot write \"{}\": No space left on device",
                                 (directory / "disk/repo/main/2").native()),
                          "hint: free space under"}));
  CHECK(keys_of(*driver) == Keys{"main/1"});
  CHECK(names_below(directory / "disk/repo") == 2);
  CHECK(put(*driver, "main/2", std::string(100'000, 'x')));
}

TEST_CASE("posix: a file system that is read only") {
  const TempDir directory;
  SmallDisk disk(directory / "disk");
  if (!disk) return;
  const auto driver = make_posix(directory / "disk/repo");
  put(*driver, "main/1");
  REQUIRE(disk.make_read_only());
  CHECK_THAT(error_of<SystemError>([&] { put(*driver, "main/2"); }),
             (Says{"Read-only file system", "hint: mount"}));
  CHECK_THAT(error_of<SystemError>([&] { driver->remove({{"main/1"}}); }), (Says{"cannot remove"}));
  CHECK(has(*driver, "main/1"));
  CHECK(keys_of(*driver) == Keys{"main/1"});
}

TEST_CASE("posix: a disk that vanishes under a run is not an empty repository") {
  const TempDir directory;
  SmallDisk disk(directory / "disk");
  if (!disk) return;
  const auto driver = make_posix(directory / "disk");
  put(*driver, "main/1");
  REQUIRE(has(*driver, "main/1"));
  disk.unmount();
  const auto vanished = Says{"no longer the directory that it was", "hint: mount"};
  CHECK(has(*driver, "main/1"));  // it is held
  CHECK_THAT(error_of([&] { has(*driver, "main/2"); }), vanished);
  CHECK_THAT(error_of([&] { driver->stat("main/2"); }), vanished);
  CHECK_THAT(error_of([&] { keys_of(*driver); }), vanished);
  CHECK_THAT(error_of([&] { driver->remove({{"main/1"}}); }), vanished);
}

TEST_CASE("posix: without rights") {
  const TempDir directory;
  fs::permissions(directory.path(), fs::perms::all);
  fs::create_directory(directory / "repo");
  fs::permissions(directory / "repo", fs::perms::all);
  test::unprivileged([&] {
    const auto driver = make_posix(directory / "repo");
    put(*driver, "main/backup/1");
    put(*driver, "main/wal/1");
  });
  const auto denied = Says{"Permission denied", "hint: the user that runs pgcairn"};

  SECTION("a directory that cannot be read is an error, never absence") {
    fs::permissions(directory / "repo/main/backup", fs::perms::none);
    test::unprivileged([&] {
      const auto driver = make_posix(directory / "repo");
      CHECK_THAT(error_of<SystemError>([&] { keys_of(*driver); }), denied);
      CHECK_THAT(error_of<SystemError>([&] { keys_of(*driver, "main/backup/"); }), denied);
      CHECK_THAT(error_of<SystemError>([&] { has(*driver, "main/backup/1"); }), denied);
      CHECK_THAT(error_of<SystemError>([&] { has(*driver, "main/backup/2"); }), denied);
      CHECK_THAT(error_of<SystemError>([&] { driver->stat("main/backup/2"); }), denied);
      CHECK(keys_of(*driver, "main/wal/") == Keys{"main/wal/1"});
    });
    fs::permissions(directory / "repo/main/backup", fs::perms::all);
  }
  SECTION("a directory that cannot be written") {
    fs::permissions(directory / "repo/main/backup", fs::perms::owner_read | fs::perms::owner_exec);
    test::unprivileged([&] {
      const auto driver = make_posix(directory / "repo");
      CHECK_THAT(error_of<SystemError>([&] { put(*driver, "main/backup/2"); }), denied);
      CHECK_THAT(error_of<SystemError>([&] { put(*driver, "main/backup/2/3"); }), denied);
      CHECK_FALSE(put(*driver, "main/backup/1", "x", IfExists::keep));
      // All are tried although the first fails.
      const std::string error = error_of<SystemError>([&] {
        driver->remove({{"main/backup/1", "main/wal/1"}});
      });
      CHECK_THAT(error, (Says{"Permission denied", "while removing 2 objects, of which 1 failed"}));
      CHECK(keys_of(*driver) == Keys{"main/backup/1"});
    });
    fs::permissions(directory / "repo/main/backup", fs::perms::all);
  }
  SECTION("an object that cannot be read") {
    fs::permissions(directory / "repo/main/wal/1", fs::perms::none);
    test::unprivileged([&] {
      const auto driver = make_posix(directory / "repo");
      CHECK_THAT(error_of<SystemError>([&] { has(*driver, "main/wal/1"); }), denied);
    });
  }
}

TEST_CASE("posix: a file where a directory should be is named") {
  const TempDir directory;
  const auto driver = make_posix(directory.path());
  put(*driver, "a/b", "x");
  const auto named = Says{"\"" + (directory / "a/b").native() + "\" is not a directory"};
  CHECK_THAT(error_of([&] { has(*driver, "a/b/c"); }), named);
  CHECK_THAT(error_of([&] { has(*driver, "a/b/c/d"); }), named);
  CHECK_THAT(error_of([&] { driver->stat("a/b/c"); }), named);
  CHECK_THAT(error_of([&] { put(*driver, "a/b/c"); }), named);
  CHECK_THAT(error_of([&] { put(*driver, "a/b/c/d"); }), named);
  CHECK_THAT(error_of([&] { keys_of(*driver, "a/b/"); }), named);
  CHECK_THAT(error_of([&] { driver->remove({{"a/b/c"}}); }), named);
  CHECK(keys_of(*driver) == Keys{"a/b"});
}

TEST_CASE("posix: a directory, a link to nothing or a pipe where an object should be") {
  const TempDir directory;
  const auto driver = make_posix(directory.path());
  put(*driver, "a/b", "x");
  for (const IfExists if_exists : {IfExists::keep, IfExists::fail}) {
    CHECK_THAT(error_of([&] { put(*driver, "a", "x", if_exists); }), (Says{"it is a directory"}));
  }
  CHECK_FALSE(has(*driver, "a"));
  fs::create_symlink("nowhere", directory / "link");
  CHECK_THAT(error_of([&] { put(*driver, "link"); }), (Says{"a dangling link"}));
  CHECK(keys_of(*driver) == Keys{"a/b"});
  REQUIRE(::mkfifo((directory / "pipe").c_str(), 0600) == 0);
  CHECK_THAT(error_of([&] { has(*driver, "pipe"); }), (Says{"not a regular file"}));
}

TEST_CASE("posix: without renameat2 an object is linked to its name") {
  const int error_number = GENERATE(EINVAL, ENOSYS);
  const TempDir directory;
  const auto driver = make_posix(directory.path());
  with_calls_failing({{SYS_renameat2, error_number}}, [&] {
    CHECK(put(*driver, "a/b", "first"));
    CHECK_FALSE(put(*driver, "a/b", "second", IfExists::keep));
    CHECK_THROWS_AS(put(*driver, "a/b", "second"), ConflictError);
    CHECK(put(*driver, "a/c"));
    CHECK(names_below(directory.path()) == 3);
    CHECK(stat_if_exists(directory / "a/b")->st_nlink == 1);
  });
}

TEST_CASE("posix: a file system with neither is refused by name") {
  const int error_number = GENERATE(EPERM, EOPNOTSUPP);
  const TempDir directory(TempDir::Where::memory);
  const auto driver = make_posix(directory.path());
  with_calls_failing({{SYS_renameat2, EINVAL}, {kLinkCall, error_number}}, [&] {
    CHECK_THAT(error_of([&] { put(*driver, "a/b"); }),
               (Says{"cannot store objects in \"" + directory.path().native(),
                     "neither renameat2(RENAME_NOREPLACE) nor hard links",
                     "hint: put the repository on"}));
    CHECK(keys_of(*driver).empty());
    CHECK(names_below(directory.path()) == 1);
  });
}

TEST_CASE("posix: what the system says decides whether a retry may help") {
  const TempDir directory;
  const auto driver = make_posix(directory.path());
  put(*driver, "a/old");
  struct Row {
    long call;
    int error_number;
    bool transient;
    std::string_view verb;
  };
  const Row row = GENERATE(values<Row>({{SYS_fsync, EIO, false, "make durable"},
                                        {SYS_fsync, ESTALE, true, "make durable"},
                                        {SYS_fsync, EDQUOT, false, "make durable"},
                                        {SYS_write, EIO, false, "write"},
                                        {SYS_write, EAGAIN, true, "write"},
                                        {SYS_renameat2, EIO, false, "rename a file to"},
                                        {SYS_renameat2, ETIMEDOUT, true, "rename a file to"}}));
  INFO(row.verb << ": " << std::generic_category().message(row.error_number));
  with_calls_failing({{row.call, row.error_number}}, [&] {
    const auto act = [&] { put(*driver, "a/new"); };
    const std::string error =
        row.transient ? error_of<TransientError>(act) : error_of<SystemError>(act);
    CHECK_THAT(error, (Says{format("cannot {} \"{}\"", row.verb, (directory / "a/new").native())}));
    const bool hinted = error.find("hint: free space") != std::string::npos;
    CHECK(hinted == (row.error_number == EDQUOT));
  });
  CHECK(keys_of(*driver) == Keys{"a/old"});
  CHECK(names_below(directory.path()) == 2);
}

TEST_CASE("posix: reads that fail are errors") {
  const TempDir directory;
  const auto driver = make_posix(directory.path());
  put(*driver, "a/b", "x");
  with_calls_failing({{SYS_pread64, EIO}},
                     [&] { CHECK_THROWS_AS(has(*driver, "a/b"), SystemError); });
  with_calls_failing({{SYS_getdents64, EIO}},
                     [&] { CHECK_THROWS_AS(keys_of(*driver), SystemError); });
  with_calls_failing({{SYS_getdents64, ESTALE}},
                     [&] { CHECK_THROWS_AS(keys_of(*driver), TransientError); });
  with_calls_failing({{SYS_newfstatat, ESTALE}}, [&] {
    CHECK_THROWS_AS(has(*driver, "a/b"), TransientError);
    CHECK_THROWS_AS(driver->stat("a/c"), TransientError);
  });
}

TEST_CASE("posix: a name that exists is durable before anybody hears so") {
  const TempDir directory;
  const auto driver = make_posix(directory.path());
  put(*driver, "a/b", "x");
  with_calls_failing({{SYS_fsync, EIO}}, [&] {
    CHECK_THROWS_AS(put(*driver, "a/b", "x", IfExists::keep), SystemError);
    CHECK_THROWS_AS(put(*driver, "a/b", "x", IfExists::fail), SystemError);
  });
}

TEST_CASE("posix: remove is durable before it returns") {
  const TempDir directory;
  const auto driver = make_posix(directory.path());
  put(*driver, "a/b", "x");
  with_calls_failing({{SYS_fsync, EIO}},
                     [&] { CHECK_THROWS_AS(driver->remove({{"a/b"}}), SystemError); });
}

TEST_CASE("posix: a directory that another process just made is synced again") {
  const TempDir directory;
  put(*make_posix(directory.path()), "new/a", "x");
  // The names above "new/b" may not be durable: their maker may have died before it synced them.
  // With every fsync failing, the first one tried is of the directory above.
  with_calls_failing({{SYS_fsync, EIO}}, [&] {
    const auto driver = make_posix(directory.path());
    CHECK_THAT(error_of<SystemError>([&] { put(*driver, "new/b"); }),
               (Says{format("cannot make durable \"{}\"", directory.path().native())}));
  });
}
