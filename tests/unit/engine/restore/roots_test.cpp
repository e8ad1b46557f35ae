#include "engine/restore/roots.hpp"

#include "engine/backup/tablespaces.hpp"
#include "engine/restore/mark.hpp"
#include "engine/restore/paths.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

using namespace pgcairn;
using namespace pgcairn::engine;
using repo::EntryType;
using test::TempDir;

namespace {

repo::BackupMarker marker() {
  repo::BackupMarker backup;
  backup.label = "20261121-010203F";
  backup.pg_version = 15;
  backup.catalog_version = 202209061;
  backup.tablespaces = {{16400, "fast", "/srv/fast"}, {16401, "here", "pg_tblspc/16401"}};
  return backup;
}

repo::ManifestEntry entry(const std::string& path, EntryType type = EntryType::file) {
  repo::ManifestEntry entry;
  entry.path = path;
  entry.type = type;
  return entry;
}

bool is_placeable(const repo::ManifestEntry& one) {
  try {
    require_placeable(one, "main", marker());
    return true;
  } catch (const DamagedError&) {
    return false;
  }
}

}  // namespace

TEST_CASE("a manifest's links are the marker's tablespaces", "[restore]") {
  CHECK(is_placeable(entry("pg_tblspc/16400", EntryType::link)));
  CHECK(is_placeable(entry("pg_tblspc/16400/PG_15_202209061", EntryType::directory)));
  CHECK(is_placeable(entry("pg_tblspc/16400/PG_15_202209061/5/16384")));
  CHECK(is_placeable(entry("pg_tblspc/16401", EntryType::directory)));
  CHECK(is_placeable(entry("pg_tblspc/16401/PG_15_202209061/5/16384")));
  CHECK(is_placeable(entry("pg_tblspc/notes")));
  CHECK(is_placeable(entry("base/1/pgcairn.restore")));
  for (const char* const path :
       {"base", "pg_wal", "pg_tblspc", "pg_tblspc/16402", "pg_tblspc/16401", "pg_tblspc/16400/x",
        "pg_tblspc/16400/PG_15_202209061", "/etc/x"}) {
    CAPTURE(path);
    CHECK_FALSE(is_placeable(entry(path, EntryType::link)));
  }
  CHECK_FALSE(is_placeable(entry("pg_tblspc/16400", EntryType::directory)));
  CHECK_FALSE(is_placeable(entry("pg_tblspc/16400/evil")));
  CHECK_FALSE(is_placeable(entry("pg_tblspc/16400/PG_14_202107181/5/1")));
  CHECK_FALSE(is_placeable(entry("pgcairn.restore")));
  CHECK_FALSE(is_placeable(entry("global/pg_control.pgcairn.tmp")));
}

TEST_CASE("no restored mode gives rights away", "[restore]") {
  RestoreOwner owner;
  owner.was_user = "postgres";
  owner.was_group = "postgres";
  repo::ManifestEntry one = entry("file");
  one.user = owner.was_user;
  one.group = owner.was_group;
  const auto restored = [&](mode_t mode) {
    one.mode = mode;
    return restored_mode(one, owner);
  };
  CHECK(restored(0600) == 0600);
  CHECK(restored(0640) == 0640);
  CHECK(restored(06777) == 0750);
  CHECK(restored(0000) == 0600);
  one.type = EntryType::directory;
  CHECK(restored(0700) == 0700);
  CHECK(restored(02770) == 0750);
  CHECK(restored(01777) == 0750);
  CHECK(restored(0000) == 0700);
  one.type = EntryType::file;
  one.user = "root";  // server.key with the group ssl-cert: a server takes it for its own only so
  CHECK(restored(0640) == 0600);
  one.user = owner.was_user;
  one.group = "staff";
  CHECK(restored(0640) == 0600);
}

TEST_CASE("a mark counts by who wrote it", "[restore]") {
  const TempDir folder(TempDir::Where::memory);
  const fs::path mark = folder / kRestoreMark;
  fs::create_directories(folder / "place");
  const std::string text = "pgcairn\nParts of it are in:\n" + (folder / "place").native() + "\n" +
                           (folder / "../x").native() + "\n";
  CHECK_FALSE(read_mark(folder.path()).counts);
  write_file_atomically(mark, as_bytes(text), 0600);
  RestoreMark found = read_mark(folder.path());
  CHECK(found.counts);
  CHECK(found.ours == std::vector<fs::path>{folder / "place"});
  CHECK(found.doubted.size() == 1);
  CHECK(is_unfinished_restore(folder.path()));
  CHECK(::chmod(mark.c_str(), 0666) == 0);
  found = read_mark(folder.path());
  CHECK(found.counts == (::geteuid() == 0));  // root is the directory's owner then
  CHECK(::chmod(mark.c_str(), 0600) == 0);
  CHECK(::link(mark.c_str(), (folder / "other name").c_str()) == 0);
  CHECK_FALSE(read_mark(folder.path()).counts);
  fs::remove(folder / "other name");
  if (::geteuid() != 0) {
    WARN("only root can give files to others: not tried");
    return;
  }
  constexpr uid_t nobody = 65534;
  CHECK(::chown(mark.c_str(), nobody, nobody) == 0);
  CHECK_FALSE(is_unfinished_restore(folder.path()));
  CHECK(::chown(folder.path().c_str(), nobody, nobody) == 0);
  found = read_mark(folder.path());
  CHECK(found.counts);
  CHECK(found.ours.empty());
  CHECK(::chown((folder / "place").c_str(), nobody, nobody) == 0);
  CHECK(read_mark(folder.path()).ours.empty());
}

TEST_CASE("the marker's tablespaces are those that were copied", "[backup]") {
  CopiedTablespaces copied;
  repo::ManifestEntry link = entry("pg_tblspc/16400", EntryType::link);
  link.target = "/srv/fast";
  copied.look_at(link);
  copied.look_at(entry("pg_tblspc/16401", EntryType::directory));
  copied.look_at(entry("pg_tblspc/16400/PG_15_202209061", EntryType::directory));
  copied.look_at(entry("pg_tblspc/16402"));
  copied.look_at(entry("base/16403", EntryType::directory));
  std::vector<postgres::Tablespace> known = {{16399, "dropped", "/srv/gone"},
                                             {16400, "fast", "/srv/fast"}};
  CHECK(copied.unknown(known) == std::vector<std::string>{"pg_tblspc/16401"});
  known.push_back({16401, "here", "pg_tblspc/16401"});
  CHECK(copied.unknown(known).empty());
  const auto named = copied.named(known);
  REQUIRE(named.size() == 2);
  CHECK(named[0].name == "fast");
  CHECK(named[0].location == "/srv/fast");
  CHECK(named[1].name == "here");
  CHECK(named[1].location == "pg_tblspc/16401");
  copied.clear();
  CHECK(copied.named({}).empty());
}
