#include <pgcairn/common/file.hpp>
#include <pgcairn/postgres/excluded.hpp>

#include <catch2/catch.hpp>
#include <support/temp_dir.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace pgcairn::postgres {

TEST_CASE("excluded paths are those of the manifest", "[postgres][excluded]") {
  struct Row {
    const char* text;
    const char* path;  // null: refused
  };
  for (const Row& row : {Row{"log", "log"}, Row{"log/", "log"}, Row{"./log//old", "log/old"},
                         Row{"a/../log", "log"}, Row{"a b", "a b"}, Row{"", nullptr},
                         Row{".", nullptr}, Row{"./", nullptr}, Row{"/log", nullptr},
                         Row{"..", nullptr}, Row{"../log", nullptr}, Row{"log/../..", nullptr}}) {
    INFO(row.text);
    const auto path = excluded_path(row.text);
    CHECK(path.has_value() == (row.path != nullptr));
    if (row.path != nullptr) CHECK(path.value_or("") == row.path);
  }
}

TEST_CASE("what PostgreSQL needs cannot be excluded", "[postgres][excluded]") {
  for (const char* const path : {"base", "base/5", "base/5/16384", "global", "global/pg_control",
                                 "pg_wal", "pg_xact", "pg_xact/0000", "pg_tblspc/16400",
                                 "pg_multixact", "PG_VERSION", "postgresql.conf", "pg_hba.conf"}) {
    INFO(path);
    CHECK(why_needed(path));
  }
  for (const char* const path : {"log", "pg_log", "root.key", "basement", "conf.d/base"}) {
    INFO(path);
    CHECK_FALSE(why_needed(path));
  }
}

TEST_CASE("the hint of an unreadable file names its owner and the ways out",
          "[postgres][excluded]") {
  const auto has = [](const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  };
  test::TempDir data(test::TempDir::Where::memory);
  for (const char* const name : {"root.key", "PG_VERSION"})
    write_file_atomically(data / name, as_bytes("x"));
  REQUIRE(::chmod((data / "root.key").c_str(), 0) == 0);
  CHECK(has(unreadable_hint(data.path(), "root.key"), "its mode is 0000: chmod u+rX"));
  CHECK(unreadable_hint(data.path(), "absent") == "run pgcairn as the user that runs PostgreSQL");
  if (::geteuid() != 0) return;  // the rest gives files to others
  for (const char* const name : {"root.key", "PG_VERSION"})
    REQUIRE(::chown((data / name).c_str(), 4242, 4242) == 0);
  const std::string free = unreadable_hint(data.path(), "root.key");
  CHECK(has(free, "it belongs to user 4242: chown 0:0 \""));
  CHECK(has(free, "exclude = [\"root.key\"]"));
  CHECK_FALSE(has(unreadable_hint(data.path(), "PG_VERSION"), "exclude"));
  REQUIRE(::chown(data.path().c_str(), 4242, 4242) == 0);
  CHECK(has(unreadable_hint(data.path(), "root.key"), "run pgcairn as user 4242"));
}

}  // namespace pgcairn::postgres
