#include "support/says.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/private_server.hpp>
#include <pgcairn/postgres/server_sandbox.hpp>

#include <set>

#include <catch2/catch.hpp>
#include <stdlib.h>
#include <sys/stat.h>

using namespace pgcairn;
using namespace pgcairn::postgres;
using namespace pgcairn::test;

namespace {

/// A program that says it is PostgreSQL of that version.
fs::path programs(const TempDir& home, const std::string& name, const std::string& version) {
  fs::create_directory(home / name);
  const std::string script = format("#!/bin/sh\necho 'postgres (PostgreSQL) {}'\n", version);
  write_file_atomically(home / name / "postgres", as_bytes(script), 0700);
  return home / name;
}

}  // namespace

TEST_CASE("programs of another version are not taken") {
  const TempDir home;
  const fs::path right = programs(home, "right", "16.3 (Debian 16.3-1)");
  CHECK(find_programs(16, right, home.path(), {}) == right);
  const fs::path beta = programs(home, "beta", "18beta1");
  CHECK(find_programs(18, beta, home.path(), {}) == beta);
  try {
    find_programs(15, right, home.path(), {});
    FAIL("it was taken");
  } catch (const PostgresError& error) {
    CHECK_THAT(error.render(), Says({"PostgreSQL 15", right.native(), "version 16", "pg-bin"}));
  }
  CHECK_THROWS_AS(find_programs(16, "/nonexistent", home.path(), {}), PostgresError);
}

TEST_CASE("a private server reaches out to nobody") {
  for (int major = 13; major <= 18; ++major) {
    const Settings settings = private_settings(major);
    std::set<std::string> names;
    for (const auto& [name, value] : settings) {
      INFO(name);
      CHECK(names.insert(name).second);
    }
    for (const char* const silent :
         {"listen_addresses", "archive_command", "archive_cleanup_command", "recovery_end_command",
          "primary_conninfo", "primary_slot_name", "synchronous_standby_names"}) {
      INFO(silent);
      CHECK(std::find(settings.begin(), settings.end(),
                      std::pair<std::string, std::string>(silent, "")) != settings.end());
    }
    // What the version does not know would keep it from starting.
    CHECK(names.contains("stats_temp_directory") == (major < 15));
    CHECK(names.contains("summarize_wal") == (major >= 17));
  }
}

TEST_CASE("what is meant for a live server, and secrets, do not reach PostgreSQL's programs") {
  for (const char* const name : {"PGHOSTADDR", "PGCAIRN_KEY_PASSPHRASE", "AWS_SECRET_ACCESS_KEY"})
    ::setenv(name, "secret", 1);
  ::setenv("LC_TIME", "C", 1);
  const auto environment = program_environment();
  for (const char* const name : {"PGHOSTADDR", "PGCAIRN_KEY_PASSPHRASE", "AWS_SECRET_ACCESS_KEY"})
    ::unsetenv(name);
  ::unsetenv("LC_TIME");
  const std::set<std::string> found(environment.begin(), environment.end());
  for (const std::string& variable : found) {
    INFO(variable);
    CHECK(variable.find("secret") == std::string::npos);
  }
  CHECK(found.contains("LC_TIME=C"));
}

TEST_CASE("what belongs to an installation is told by where its programs are") {
  CHECK(installation_of("/usr/lib/postgresql/15/bin") == "/usr");
  CHECK(installation_of("/x/y/usr/lib/postgresql/18/bin") == "/x/y/usr");
  CHECK(installation_of("/usr/pgsql-16/bin") == "/usr/pgsql-16");
  CHECK(installation_of("/home/me/library/pg/bin") == "/home/me/library/pg");
  CHECK(installation_of("/bin") == "/");
}
