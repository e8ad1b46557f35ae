#include "support/says.hpp"
#include "support/temp_dir.hpp"
#include "support/threads.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>

#include <cerrno>
#include <fstream>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace pgcairn;
using test::error_of;
using test::Says;
using test::TempDir;
using Names = std::vector<std::string>;

namespace {

std::string content(const fs::path& path) {
  return std::string(as_text(read_file(path)));
}

}  // namespace

TEST_CASE("Fd closes once and can be moved") {
  int number = -1;
  {
    Fd fd = open_file("/dev/null", O_RDONLY);
    number = fd.get();
    CHECK((::fcntl(number, F_GETFD) & FD_CLOEXEC) != 0);
    Fd other(std::move(fd));
    CHECK_FALSE(static_cast<bool>(fd));
    CHECK(other.get() == number);
  }
  CHECK(::fcntl(number, F_GETFD) == -1);
  Fd fd = open_file("/dev/null", O_RDONLY);
  fd.close("/dev/null");
  CHECK_FALSE(static_cast<bool>(fd));
}

TEST_CASE("opening: absent is a value only where it is asked for") {
  const TempDir directory;
  CHECK_FALSE(open_if_exists(directory / "absent", O_RDONLY));
  CHECK_FALSE(read_file_if_exists(directory / "absent"));
  CHECK_FALSE(stat_if_exists(directory / "absent"));
  CHECK(error_of<SystemError>([&] { open_file(directory / "absent", O_RDONLY); }) ==
        "cannot open \"" + (directory / "absent").native() + "\": No such file or directory");
  CHECK_THAT(error_of<SystemError>([&] { open_file(directory / "no/file", O_CREAT | O_WRONLY); }),
             (Says{"cannot create"}));
  CHECK_THAT(error_of<SystemError>([&] { list_directory(directory / "absent"); }),
             (Says{"cannot list"}));
}

TEST_CASE("reading and writing at offsets") {
  const TempDir directory;
  const fs::path path = directory / "file";
  const Fd fd = open_file(path, O_RDWR | O_CREAT);
  write_at(fd, as_bytes("0123456789"), 0, path);
  write_at(fd, as_bytes("xy"), 4, path);
  Buffer out(5);
  CHECK(read_at(fd, out.writable(), 3, path) == 5);
  CHECK(as_text(out) == "3xy67");
  CHECK(read_at(fd, out.writable(), 8, path) == 2);
  CHECK(read_at(fd, out.writable(), 10, path) == 0);
  CHECK(stat_of(fd, path).st_size == 10);
}

TEST_CASE("read_file reads all of it, up to its limit, files of /proc as well") {
  const TempDir directory;
  const fs::path path = directory / "file";
  for (const std::size_t size : {0u, 1u, 4095u, 4096u, 4097u, 100'000u}) {
    write_file_atomically(path, as_bytes(std::string(size, 'x')));
    CHECK((content(path) == std::string(size, 'x')));
  }
  CHECK_THAT(error_of([&] { read_file(path, 99'999); }), (Says{"cannot read", "limit of 99999"}));
  CHECK(read_file(path, 100'000).size() == 100'000);
  CHECK(content("/proc/self/status").size() > 100);
}

TEST_CASE("list_directory sorts by bytes and shows every name") {
  const TempDir directory;
  for (const char* name : {"b", "a", "a.b", "a-b", "B", ".hidden", "\xff"}) {
    write_file_atomically(directory / name, {});
  }
  CHECK(list_directory(directory.path()) == Names{".hidden", "B", "a", "a-b", "a.b", "b", "\xff"});
}

TEST_CASE("AtomicFile: seen only once it is committed") {
  const TempDir directory;
  const fs::path path = directory / "file";
  {
    AtomicFile file(path, 0600);
    file.write(as_bytes("new"));
    CHECK_FALSE(fs::exists(path));
    const Names names = list_directory(directory.path());
    REQUIRE(names.size() == 1);
    CHECK(names[0].ends_with(kTemporarySuffix));
    file.commit();
    CHECK(content(path) == "new");
    CHECK((stat_if_exists(path)->st_mode & 07777) == 0600);
  }
  CHECK(list_directory(directory.path()) == Names{"file"});
  write_file_atomically(path, as_bytes("newer"));
  CHECK(content(path) == "newer");
  CHECK(list_directory(directory.path()) == Names{"file"});
}

TEST_CASE("AtomicFile: leaving scope discards it") {
  const TempDir directory;
  const fs::path path = directory / "file";
  write_file_atomically(path, as_bytes("old"));
  {
    AtomicFile file(path);
    file.write(as_bytes("never"));
  }
  CHECK_THROWS_AS(
      [&] {
        AtomicFile file(path);
        file.write(as_bytes("never"));
        throw Error("something else");
      }(),
      Error);
  CHECK(content(path) == "old");
  CHECK(list_directory(directory.path()) == Names{"file"});
}

TEST_CASE("AtomicFile: commit_if_absent keeps what is there") {
  const TempDir directory;
  const fs::path path = directory / "file";
  const auto attempt = [&](std::string_view text) {
    AtomicFile file(path);
    file.write(as_bytes(text));
    return file.commit_if_absent();
  };
  const auto both = [&] {
    CHECK(attempt("first"));
    CHECK_FALSE(attempt("second"));
    CHECK(content(path) == "first");
    CHECK(list_directory(directory.path()) == Names{"file"});
  };
  SECTION("by rename") {
    both();
  }
  SECTION("by link") {
    if (!test::with_failing_calls({{SYS_renameat2, EINVAL}}, both)) WARN("skipped: no seccomp");
  }
}

TEST_CASE("AtomicFile: a failing fsync publishes nothing") {
  const TempDir directory;
  const bool possible = test::with_failing_calls({{SYS_fsync, EIO}}, [&] {
    CHECK_THAT(error_of<SystemError>([&] { write_file_atomically(directory / "file", {}); }),
               (Says{"cannot make durable", "Input/output error"}));
  });
  if (!possible) WARN("skipped: no seccomp filters here");
  CHECK(list_directory(directory.path()).empty());
}

TEST_CASE("errors of the system carry errno, and a full disk a hint") {
  const TempDir directory;
  const fs::path path = directory / "file";
  const Fd fd = open_file(path, O_WRONLY | O_CREAT);
  for (const int number : {ENOSPC, EIO}) {
    const bool possible = test::with_failing_calls({{SYS_write, number}}, [&] {
      try {
        write_all(fd, as_bytes("x"), path);
        FAIL("it was written");
      } catch (const SystemError& error) {
        CHECK(error.error_number() == number);
        CHECK(error.hint().empty() == (number != ENOSPC));
      }
    });
    if (!possible) WARN("skipped: no seccomp filters here");
  }
}
