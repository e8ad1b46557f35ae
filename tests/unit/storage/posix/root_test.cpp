// What becomes of a directory under a driver: unmounted, made again, full, on a strange file
// system.
#include "support/says.hpp"
#include "support/small_disk.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <cerrno>
#include <memory>

#include <catch2/catch.hpp>
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

/// What can become of the root's name while a driver works.
enum class Change { unmounted, mounted_over, moved_away, made_again };

/// A repository on a disk of its own; `happen` changes where its root's name leads.
class Changing {
 public:
  explicit Changing(Change change) : change_(change), disk_(directory_ / "mnt") {
    if (disk_) fs::create_directory(root());
  }
  explicit operator bool() const { return static_cast<bool>(disk_); }
  // Where it is unmounted, the root's name is below the mount point, or it is that itself.
  fs::path root() const { return change_ == Change::unmounted ? mount() : mount() / "repo"; }
  fs::path mount() const { return directory_ / "mnt"; }

  void happen() {
    switch (change_) {
      case Change::unmounted:
        disk_.unmount();
        break;
      case Change::mounted_over:
        over_ = std::make_unique<SmallDisk>(root());
        break;
      case Change::moved_away:
        fs::rename(root(), mount() / "old");
        break;
      case Change::made_again:
        fs::rename(root(), mount() / "old");
        fs::create_directory(root());
        break;
    }
  }

 private:
  Change change_;
  TempDir directory_;
  SmallDisk disk_;
  std::unique_ptr<SmallDisk> over_;
};

}  // namespace

TEST_CASE("posix: what is stored is in the directory that the root's name leads to") {
  const Change change =
      GENERATE(Change::unmounted, Change::mounted_over, Change::moved_away, Change::made_again);
  // "new/b" needs a directory, "old/b" none; "old/a" is there already.
  const std::string key = GENERATE("new/b", "old/b", "old/a");
  INFO("change " << static_cast<int>(change) << " while " << key << " is put");
  int steps = 1;
  for (int at = 0; at < steps; ++at) {
    INFO("before call " << at);
    Changing repository(change);
    if (!repository) return;
    if (change == Change::unmounted) fs::permissions(repository.root(), fs::perms::all);
    const auto driver = make_posix(repository.root());
    REQUIRE(put(*driver, "old/a"));
    steps = 0;
    bool stored = false;
    const bool possible = test::with_watched_calls(
        {SYS_openat, SYS_mkdirat, SYS_renameat2, SYS_fsync, SYS_newfstatat, SYS_write},
        [&](const test::WatchedCall&) {
          if (steps++ == at) repository.happen();
          return 0;
        },
        [&] {
          try {
            put(*driver, key, "content", IfExists::keep);
            stored = true;
          } catch (const Error& error) {
            CHECK_THAT(error.message(), (Says{"no longer the directory that it was"}));
          }
        });
    if (!possible) {
      WARN("skipped: no seccomp notifications here");
      return;
    }
    CHECK_FALSE(stored);
  }
  CHECK(steps > 2);
}

TEST_CASE("posix: all that happens below the root happens in the one that was seen first") {
  const Change change =
      GENERATE(Change::unmounted, Change::mounted_over, Change::moved_away, Change::made_again);
  Changing repository(change);
  if (!repository) return;
  if (change == Change::unmounted) fs::permissions(repository.root(), fs::perms::all);
  const auto driver = make_posix(repository.root());
  REQUIRE(put(*driver, "a/b"));
  repository.happen();
  const auto vanished = Says{"no longer the directory that it was", "hint: mount"};
  CHECK(has(*driver, "a/b"));
  CHECK_THAT(error_of([&] { has(*driver, "a/c"); }), vanished);
  CHECK_THAT(error_of([&] { put(*driver, "a/c"); }), vanished);
  CHECK_THAT(error_of([&] { put(*driver, "c/d"); }), vanished);
  CHECK_THAT(error_of([&] { keys_of(*driver); }), vanished);
  CHECK_THAT(error_of([&] { driver->remove({{"a/b"}}); }), vanished);
  if (fs::exists(repository.root())) CHECK(names_below(repository.root()) == 0);
}

TEST_CASE("posix: a directory that cannot be made durable is a warning, once, and a file is not") {
  const int error_number = GENERATE(EINVAL, EOPNOTSUPP, ENOSYS, EIO, ENOSPC);
  const bool of_directories = GENERATE(true, false);
  INFO(std::generic_category().message(error_number) << (of_directories ? " of directories" : ""));
  const TempDir directory;
  SmallDisk disk(directory / "disk");  // a file system of its own: what was told of others is not
  if (!disk) return;
  std::vector<std::string> warnings;
  set_log(LogLevel::warn, [&](LogLevel, std::string_view line) { warnings.emplace_back(line); });
  const auto driver = make_posix(directory / "disk/repo");
  std::size_t failures = 0;
  const bool possible = test::with_watched_calls(
      {SYS_fsync},
      [&](const test::WatchedCall& call) {
        struct stat status {};
        ::fstat(static_cast<int>(call.arguments[0]), &status);
        return S_ISDIR(status.st_mode) == of_directories ? error_number : 0;
      },
      [&] {
        for (const auto key : {"a/b", "a/c", "d/e", "a/b"}) {
          try {
            put(*driver, key, "content", IfExists::keep);
          } catch (const Error&) {
            ++failures;
          }
        }
      });
  set_log(LogLevel::warn, {});
  if (!possible) {
    WARN("skipped: no seccomp notifications here");
    return;
  }
  const bool passes = of_directories && error_number != EIO && error_number != ENOSPC;
  CHECK(failures == (passes ? 0 : 4));
  CHECK(warnings.size() <= (passes ? 1 : 0));
  // The numbers of file systems come again: only the first of these is certainly a new one.
  if (passes && error_number == EINVAL) CHECK(warnings.size() == 1);
}

TEST_CASE("posix: a full file system has room for what may use the reserve") {
  const std::string_view kind = GENERATE("blocks", "inodes", "quota");
  INFO("full: " << kind);
  const TempDir directory;
  SmallDisk disk(directory / "disk",
                 kind == "inodes" ? "size=8m,nr_inodes=64,mode=0777" : "size=4m,mode=0777");
  if (!disk) return;
  const auto open = [&] {
    return make_posix(directory / "disk",
                      [](std::string_view key) { return key.starts_with("lease/"); });
  };
  put(*open(), "lease/main/00000000.json");
  const fs::path reserve = directory / "disk/.reserve";
  const std::size_t pieces = names_below(reserve);
  REQUIRE(pieces > 4);
  CHECK(keys_of(*open()) == Keys{"lease/main/00000000.json"});

  // To the last byte, or the last file.
  const std::string body(kind == "inodes" ? 1 : 4096, 'x');
  int stored = 0;
  const auto fill = [&] {
    const auto driver = open();
    try {
      for (;;) put(*driver, format("data/{:08}", stored++), body);
    } catch (const SystemError& error) {
      return error.error_number();
    }
  };
  if (kind != "quota") CHECK(fill() == ENOSPC);
  const auto lease_in_full = [&](int number) {
    const std::string key = format("lease/main/{:08}.json", number);
    if (kind != "quota") return put(*open(), key, std::string(400, 'x'));
    // Over the quota until something was removed.
    bool done = false;
    if (!test::with_watched_calls(
            {SYS_write},
            [&](const test::WatchedCall&) { return names_below(reserve) == pieces ? EDQUOT : 0; },
            [&] { done = put(*open(), key, std::string(400, 'x')); })) {
      WARN("skipped: no seccomp notifications here");
      return true;
    }
    return done;
  };
  CHECK(lease_in_full(1));
  CHECK(names_below(reserve) == pieces - 1);
  if (kind == "quota") return;
  // An archiver that waits takes what it can of what was given up; there is more.
  for (int number = 2; number < 5; ++number) {
    CHECK(fill() == ENOSPC);
    CHECK(lease_in_full(number));
  }
  CHECK_THROWS_AS(put(*open(), "data/large", std::string(1'000'000, 'x')), SystemError);
  CHECK(names_below(reserve) < pieces);

  // With room again, the next run keeps a whole reserve again.
  const auto driver = open();
  for (const std::string& key : keys_of(*driver, "data/")) driver->remove({&key, 1});
  put(*open(), "data/again");
  CHECK(names_below(reserve) == pieces);
}
