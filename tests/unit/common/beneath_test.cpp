#include "support/says.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/beneath.hpp>
#include <pgcairn/common/error.hpp>

#include <algorithm>
#include <atomic>
#include <thread>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>
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

/// A directory "in" with links that lead to "out" beside it, in every place that a path can have
/// one.
struct Rig {
  TempDir folder{TempDir::Where::memory};
  fs::path in = folder / "in";
  fs::path out = folder / "out";
  Rig() {
    fs::create_directories(in / "a/b");
    fs::create_directories(out / "b");
    write_file_atomically(out / "b/file", as_bytes("canary"));
    fs::create_directory_symlink(out, in / "link");
    fs::create_directory_symlink(out / "b", in / "a/last");
    fs::create_symlink(out / "b/file", in / "a/file");
    fs::create_symlink("b", in / "a/near");
  }
};

}  // namespace

TEST_CASE("beneath a directory no link is followed and nothing above is reached", "[beneath]") {
  const auto way = GENERATE(Beneath::Way::kernel, Beneath::Way::parts);
  const Rig rig;
  const Beneath root(rig.in, way);
  for (const char* const path : {"link/b/file", "a/last/file", "a/file", "a/near/new", "link",
                                 "../out/b/file", "a/../../out/b/file"}) {
    CAPTURE(path);
    CHECK_THROWS_AS(root.open(path), SystemError);
    CHECK_THROWS_AS(root.open_to_write(path, O_WRONLY | O_CREAT, 0600), SystemError);
  }
  for (const char* const path : {"link/b/new", "a/last/new", "a/near/new", "../out/new"}) {
    CAPTURE(path);
    CHECK_THROWS_AS(root.make_directory(path, 0700), SystemError);
    CHECK_THROWS_AS(root.make_link(path, "x"), SystemError);
    CHECK_THROWS_AS(root.replace(path, as_bytes("x"), 0600), SystemError);
    CHECK_THROWS_AS(root.rename("a/b", path), SystemError);
  }
  for (const char* const path : {"link/b/file", "a/last/file", "../out/b/file"}) {
    CAPTURE(path);
    CHECK_THROWS_AS(root.remove(path), SystemError);
    CHECK_THROWS_AS(root.remove_tree(path), SystemError);
    CHECK_THROWS_AS(root.status(path), SystemError);
    CHECK_THROWS_AS(root.link_target(path), SystemError);
    CHECK_THROWS_AS(root.list(fs::path(path).parent_path().native()), SystemError);
  }
  CHECK_THAT(error_of<SystemError>([&] { root.open("link/b/file"); }), (Says{"link/b/file"}));
  CHECK(content(rig.out / "b/file") == "canary");
  CHECK(list_directory(rig.out) == Names{"b"});
  CHECK(list_directory(rig.out / "b") == Names{"file"});
  CHECK(root.link_target("link") == rig.out.native());
  CHECK_FALSE(root.link_target("a/b"));
  CHECK(S_ISLNK(root.status("link")->st_mode));
}

TEST_CASE("beneath a directory files are made, replaced and removed", "[beneath]") {
  const auto way = GENERATE(Beneath::Way::kernel, Beneath::Way::parts);
  const TempDir folder(TempDir::Where::memory);
  const Beneath root(folder.path(), way);
  CHECK(root.make_directory("d", 0700));
  CHECK_FALSE(root.make_directory("d", 0700));
  CHECK_FALSE(root.open_if_exists("d/absent"));
  CHECK_FALSE(root.status("absent/file"));
  CHECK_FALSE(root.read_if_exists("absent/file"));
  write_all(root.open_to_write("d/f", O_WRONLY | O_CREAT, 0600), as_bytes("one"), "d/f");
  CHECK(as_text(*root.read_if_exists("d/f")) == "one");
  mode_t seen = 0;
  root.replace("d/f", as_bytes("two"), 0640,
               [&](const Fd& fd) { seen = stat_of(fd, "f").st_mode & 0777; });
  CHECK((seen & ~0640U) == 0);
  CHECK(content(folder / "d/f") == "two");
  CHECK(root.list("d") == Names{"f"});
  root.rename("d/f", "g");
  CHECK(root.list("") == Names{"d", "g"});
  CHECK(root.make_link("l", "g"));
  CHECK_FALSE(root.make_link("l", "g"));
  CHECK(root.remove("l"));
  CHECK_FALSE(root.remove("l"));
  CHECK(content(folder / "g") == "two");
  CHECK(::link((folder / "g").c_str(), (folder / "h").c_str()) == 0);
  CHECK_THAT(error_of([&] { root.open_to_write("g", O_WRONLY, 0600); }), (Says{"one hard link"}));
  CHECK(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_AS(root.open_to_write("pipe", O_WRONLY, 0600), Error);
}

TEST_CASE("a tree is counted and removed without what links lead to", "[beneath]") {
  const auto way = GENERATE(Beneath::Way::kernel, Beneath::Way::parts);
  const Rig rig;
  write_file_atomically(rig.in / "a/b/more", as_bytes("12345"));
  const Beneath root(rig.in, way);
  const TreeSize size = root.size_of_tree("a");
  CHECK(size.files == 6);  // a, b, more and three links
  CHECK(size.bytes == 5);
  const TreeSize removed = root.remove_tree("a");
  CHECK(removed.files == size.files);
  CHECK(removed.bytes == size.bytes);
  CHECK(root.list("") == Names{"link"});
  CHECK(root.remove_tree("link").files == 1);
  CHECK(root.remove_tree("absent/x").files == 0);
  CHECK(content(rig.out / "b/file") == "canary");
}

TEST_CASE("a directory's real path is opened and made without following a link", "[beneath]") {
  const Rig rig;
  CHECK_FALSE(Beneath::open_real(rig.folder / "absent/x"));
  CHECK(Beneath::open_real(rig.in)->list("a").size() == 4);
  CHECK_THROWS_AS(Beneath::open_real(rig.in / "link"), SystemError);
  CHECK_THROWS_AS(Beneath::open_real(rig.in / "link/b"), SystemError);
  CHECK_THROWS_AS(Beneath::make_real(rig.in / "link/new", 0700), SystemError);
  const Beneath made = Beneath::make_real(rig.folder / "new/er", 0700);
  CHECK(made.path() == rig.folder / "new/er");
  CHECK(fs::is_directory(rig.folder / "new/er"));
  CHECK(list_directory(rig.out) == Names{"b"});
}

TEST_CASE("a directory that is swapped for a link all the time leads nowhere", "[beneath]") {
  const auto way = GENERATE(Beneath::Way::kernel, Beneath::Way::parts);
  const TempDir folder(TempDir::Where::memory);
  fs::create_directories(folder / "in/real");
  fs::create_directories(folder / "out");
  write_file_atomically(folder / "out/victim", as_bytes("canary"));
  fs::create_directory_symlink(folder / "out", folder / "in/trap");
  std::atomic<bool> done = false;
  std::thread swapper([&] {
    const std::string real = (folder / "in/real").native();
    const std::string trap = (folder / "in/trap").native();
    while (!done) ::renameat2(AT_FDCWD, real.c_str(), AT_FDCWD, trap.c_str(), RENAME_EXCHANGE);
  });
  const Beneath root(folder / "in", way);
  const auto attempt = [](const auto& change) {
    try {
      change();
    } catch (const SystemError&) {  // NOLINT(bugprone-empty-catch): a refusal is right
    }
  };
  for (int i = 0; i < 3000; ++i) {
    attempt([&] { root.open_to_write("real/victim", O_WRONLY | O_CREAT | O_TRUNC, 0600); });
    attempt([&] { root.make_directory("real/new", 0700); });
    attempt([&] { root.make_link("real/link", "x"); });
    attempt([&] { root.replace("real/victim", as_bytes("x"), 0600); });
    attempt([&] { root.remove("real/victim"); });
    attempt([&] { root.remove_tree("real/victim"); });
  }
  done = true;
  swapper.join();
  CHECK(content(folder / "out/victim") == "canary");
  CHECK(list_directory(folder / "out") == Names{"victim"});
}

TEST_CASE("mount points are read from mountinfo, however they are spelled", "[beneath]") {
  CHECK(parse_mount_points("22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
                           "23 22 0:21 / /srv/a\\040b\\134c rw shared:7 - tmpfs tmpfs rw\n"
                           "24 22 8:1 /x /srv/a rw - ext4 /dev/sda1 rw\n"
                           "bad line\n") == Names{"/", "/srv/a", "/srv/a b\\c"});
  const auto now = mount_points();
  CHECK(std::find(now.begin(), now.end(), "/") != now.end());
}
