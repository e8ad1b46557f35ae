#include "support/temp_dir.hpp"

#include <pgcairn/common/file.hpp>
#include <pgcairn/postgres/host_clusters.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::postgres;
using namespace pgcairn::test;

namespace {

/// A root directory as Debian's postgresql-common leaves it.
class DebianRoot {
 public:
  void put(const fs::path& path, std::string_view text = {}) const {
    fs::create_directories((home_ / path).parent_path());
    write_file_atomically(home_ / path, as_bytes(text));
  }
  void add_cluster(std::string_view place, std::string_view config) const {
    put(fs::path("etc/postgresql") / place / "postgresql.conf", config);
  }
  void boot_systemd() const {
    fs::create_directories(home_ / "run/systemd/system");
    put("lib/systemd/system/postgresql@.service");
  }
  const fs::path& path() const { return home_.path(); }

 private:
  TempDir home_;
};

}  // namespace

TEST_CASE("a cluster of Debian's is started by its unit, or by pg_ctlcluster without systemd") {
  const DebianRoot root;
  root.add_cluster("15/main", "data_directory = '/var/lib/postgresql/15/main'  # no other\n");
  root.add_cluster("15/side",
                   "port = 5440\nDATA_DIRECTORY '/srv/one'\ndata_directory='/srv/side'\n");
  root.add_cluster("15/silent", "#data_directory = '/srv/nowhere'\n");
  root.add_cluster("16/main", "data_directory = '/srv/sixteen'\n");
  const auto start = [&](const char* directory, int major = 15) {
    const auto found = service_of(directory, major, root.path());
    return found ? found->start : std::string();
  };
  CHECK(start("/var/lib/postgresql/15/main").empty());  // neither is installed
  root.put("usr/bin/pg_ctlcluster");
  CHECK(start("/var/lib/postgresql/15/main") == "pg_ctlcluster 15 main start");
  CHECK(service_of("/srv/side", 15, root.path())->stop == "pg_ctlcluster 15 side stop");
  CHECK_FALSE(service_of("/srv/side", 15, root.path())->needs_root);
  root.boot_systemd();
  CHECK(start("/var/lib/postgresql/15/main/") == "systemctl start postgresql@15-main");
  CHECK(service_of("/srv/side", 15, root.path())->stop == "systemctl stop postgresql@15-side");
  CHECK(service_of("/srv/side", 15, root.path())->needs_root);
  CHECK(start("/var/lib/postgresql/15/silent") == "systemctl start postgresql@15-silent");
  for (const char* const other : {"/srv/one", "/srv/nowhere", "/srv/sixteen", "/srv"})
    CHECK(start(other).empty());
  CHECK(start("/srv/sixteen", 16) == "systemctl start postgresql@16-main");
  CHECK(start("/srv/sixteen", 17).empty());
}

TEST_CASE("a cluster of Debian's whose configuration is not there yet is known by its path") {
  const DebianRoot root;
  root.put("usr/bin/pg_ctlcluster");
  const auto start = [&](const char* config_file) {
    const auto found = service_by_config(config_file, 15, root.path());
    return found ? found->start : std::string();
  };
  CHECK(start("/etc/postgresql/15/main/postgresql.conf") == "pg_ctlcluster 15 main start");
  for (const char* const other :
       {"/etc/postgresql/15/main/other.conf", "/etc/postgresql.conf",
        "/etc/postgresql/16/main/postgresql.conf", "/srv/postgresql.conf"})
    CHECK(start(other).empty());
}

TEST_CASE("ports that clusters of this machine have, whether they run or not") {
  const DebianRoot root;
  CHECK(ports_of_services(root.path()).empty());
  root.add_cluster("15/main", "port = 5432\nport = 5433 # the last one counts\n");
  root.add_cluster("16/main", "port = '5434'\n");
  root.put("etc/postgresql/16/main/postgresql.auto.conf", "port = 5435\n");
  root.add_cluster("17/main", "port = none\n");
  CHECK(ports_of_services(root.path()) == std::set<std::uint16_t>{5433, 5435});
  CHECK(configured_port(root.path() / "etc/postgresql/15/main") == 5433);
  CHECK_FALSE(configured_port(root.path() / "etc"));
}
