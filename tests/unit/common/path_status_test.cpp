#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/path_status.hpp>

#include <cerrno>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::test;

TEST_CASE("what a path leads to; what is not there is an answer") {
  const TempDir home;
  write_file_atomically(home / "file", {});
  fs::create_symlink("nowhere", home / "dangling");
  fs::create_symlink("file", home / "link");
  CHECK(path_exists(home / "file"));
  CHECK(path_exists(home / "link"));
  CHECK(path_is_file(home / "link"));
  CHECK(path_is_directory(home.path()));
  CHECK_FALSE(path_is_directory(home / "file"));
  CHECK(path_is_link(home / "dangling"));
  CHECK_FALSE(path_is_link(home / "file"));
  CHECK(link_target(home / "link") == "file");
  for (const char* const absent : {"none", "file/below", "dangling", "none/below"}) {
    INFO(absent);
    CHECK_FALSE(path_exists(home / absent));
  }
}

TEST_CASE("a path that cannot be examined is an error that names it") {
  const TempDir home;
  fs::create_symlink("loop", home / "loop");
  const auto fails = [](const fs::path& path) {
    try {
      return path_exists(path) ? 0 : -1;
    } catch (const SystemError& error) {
      CHECK(error.message().find(path.native()) != std::string::npos);
      return error.error_number();
    }
  };
  CHECK(fails(home / "loop") == ELOOP);
  CHECK(fails(home / std::string(300, 'x')) == ENAMETOOLONG);
  CHECK_THROWS_AS(link_target(home / "none"), SystemError);
}
