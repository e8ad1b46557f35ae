#include "support/temp_dir.hpp"

#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/isolation.hpp>

#include <map>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::postgres;
using namespace pgcairn::test;

TEST_CASE("a copy reaches nobody, and keeps what replay compares with its primary") {
  for (int major = 13; major <= 18; ++major) {
    std::map<std::string, std::string> settings;
    for (const auto& [name, value] : isolation_settings(major, "copy of main")) {
      INFO(name);
      CHECK(settings.emplace(name, value).second);
    }
    CHECK(settings.at("archive_mode") == "off");
    CHECK(settings.at("max_logical_replication_workers") == "0");
    CHECK(settings.at("cluster_name") == "copy of main");
    for (const char* const empty : {"listen_addresses", "archive_command", "primary_conninfo",
                                    "primary_slot_name", "synchronous_standby_names"})
      CHECK(settings.at(empty).empty());
    CHECK(settings.at("external_pid_file") == "external.pid");  // an empty one is written, too
    // Unknown to the server, one of these would keep it from starting.
    CHECK(settings.contains("archive_library") == (major >= 15));
    CHECK(settings.contains("sync_replication_slots") == (major >= 17));
    for (const char* const compared : {"max_connections", "max_worker_processes", "max_wal_senders",
                                       "max_prepared_transactions", "max_locks_per_transaction"})
      CHECK_FALSE(settings.contains(compared));
  }
}

TEST_CASE("a free port is one without a socket") {
  const TempDir home;
  const std::uint16_t first = free_port_after(50'000, {home.path()});
  CHECK(first > 50'000);
  write_file_atomically(home / format(".s.PGSQL.{}", first), {});
  CHECK(free_port_after(50'000, {home.path()}) > first);
  CHECK(free_port_after(50'000, {}, {first}) > first);  // a server's that is down
  CHECK(free_port_after(65'535, {home.path()}) >= 1'024);
}
