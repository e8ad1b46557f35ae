#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/files.hpp>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <support/temp_dir.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace pgcairn::postgres {
namespace {

using Fork = RelationFile::Fork;
constexpr auto kMemory = test::TempDir::Where::memory;
constexpr std::uint32_t kCatalog = 202209061;
constexpr const char* kVersion = "PG_15_202209061";

void put(const fs::path& path, std::string_view content = "x") {
  fs::create_directories(path.parent_path());
  write_file_atomically(path, as_bytes(content));
}

std::vector<SourceFile> scan(const fs::path& data, int major = 15) {
  std::vector<SourceFile> files;
  scan_cluster(data, major, kCatalog, [&](SourceFile&& file) { files.push_back(std::move(file)); });
  return files;
}

std::vector<std::string> paths(const std::vector<SourceFile>& files) {
  std::vector<std::string> found;
  for (const SourceFile& file : files) found.push_back(file.path);
  return found;
}

std::vector<std::string> scan_paths(const fs::path& data, int major = 15) {
  return paths(scan(data, major));
}

const SourceFile& at(const std::vector<SourceFile>& files, std::string_view path) {
  const auto found = std::find_if(files.begin(), files.end(),
                                  [&](const SourceFile& file) { return file.path == path; });
  INFO(path);
  REQUIRE(found != files.end());
  return *found;
}

bool contains(const std::vector<std::string>& list, std::string_view what) {
  return std::find(list.begin(), list.end(), what) != list.end();
}

// Log lines of level warn while it lives.
class Warnings {
 public:
  Warnings() {
    set_log(LogLevel::warn, [this](LogLevel, std::string_view line) { lines_.emplace_back(line); });
  }
  ~Warnings() { set_log(LogLevel::error, nullptr); }
  bool name(std::string_view part) const {
    return std::any_of(lines_.begin(), lines_.end(), [&](const std::string& line) {
      return line.find(part) != std::string::npos;
    });
  }
  std::size_t count() const { return lines_.size(); }

 private:
  std::vector<std::string> lines_;
};

// A small cluster with one of everything that stays.
void make_cluster(const fs::path& data) {
  for (const char* name : {"base/1", "global", "pg_wal/archive_status", "pg_tblspc", "pg_xact"})
    fs::create_directories(data / name);
  put(data / "PG_VERSION", "15\n");
  put(data / "global/pg_control");
  put(data / "global/1262", std::string(8192, 'x'));
  put(data / "base/1/1259");
  put(data / "pg_xact/0000");
}
const std::vector<std::string> kCluster = {"PG_VERSION",  "base",        "base/1",
                                           "base/1/1259", "global",      "global/1262",
                                           "pg_tblspc",   "pg_wal",      "pg_wal/archive_status",
                                           "pg_xact",     "pg_xact/0000"};

}  // namespace

TEST_CASE("names of relation files", "[postgres][files]") {
  struct Good {
    const char* name;
    std::uint32_t relfilenode;
    Fork fork;
    std::uint32_t segment;
  };
  for (const Good& good :
       {Good{"1", 1, Fork::main, 0}, Good{"16384", 16384, Fork::main, 0},
        Good{"4294967295", 4294967295, Fork::main, 0}, Good{"16384.1", 16384, Fork::main, 1},
        Good{"16384.131071", 16384, Fork::main, 131071}, Good{"16384_fsm", 16384, Fork::fsm, 0},
        Good{"16384_vm", 16384, Fork::vm, 0}, Good{"16384_init", 16384, Fork::init, 0},
        Good{"16384_fsm.2", 16384, Fork::fsm, 2}, Good{"16384_init.10", 16384, Fork::init, 10}}) {
    INFO(good.name);
    const auto relation = parse_relation_file(good.name);
    REQUIRE(relation);
    CHECK(relation->relfilenode == good.relfilenode);
    CHECK(relation->fork == good.fork);
    CHECK(relation->segment == good.segment);
  }
  for (const char* name : {"",
                           "0",
                           "016384",
                           "4294967296",
                           "16384.",
                           "16384.0",
                           "16384.01",
                           "16384._fsm",
                           "16384_",
                           "16384_main",
                           "16384_fsmx",
                           "16384_FSM",
                           "16384.1_fsm",
                           "16384.1.2",
                           "16384_vm.",
                           "t3_16384",
                           "pg_filenode.map",
                           "PG_VERSION",
                           " 1",
                           "1 ",
                           "+1",
                           "-1",
                           "1a",
                           ".1",
                           "_vm",
                           "99999999999999999999",
                           "16384.4294967296"}) {
    INFO(name);
    CHECK_FALSE(parse_relation_file(name));
  }
}

TEST_CASE("names of temporary relations", "[postgres][files]") {
  for (const char* name : {"t3_16384", "t0_1", "t12_16384_fsm", "t12_16384_vm", "t12_16384_init",
                           "t12_16384.1", "t12_16384_vm.17"}) {
    INFO(name);
    CHECK(is_temporary_relation(name));
  }
  for (const char* name : {"", "t", "t3", "t3_", "t_16384", "T3_16384", "3_16384", "t3_x",
                           "t3_16384_", "t3_16384_main", "t3_16384.", "t3_16384.x", "t3_16384_vm_",
                           "t3_16384x", "tx_16384", "t3_16384.1.2", "table_1"}) {
    INFO(name);
    CHECK_FALSE(is_temporary_relation(name));
  }
}

TEST_CASE("paths are ordered part by part", "[postgres][files]") {
  const std::vector<std::string> ordered = {
      "",       "A",        "a",          "a/z",       "a/z/q",       "a!",
      "a-b",    "a.b",      "a.b/c",      "a0",        "ab",          "base",
      "base/1", "base/1/1", "base/1/1.1", "base/1/10", "base/1/1_vm", "base/10",
      "base/2", "base.x",   "\x7f",       "\x80",      "\xff/a"};
  for (std::size_t i = 0; i < ordered.size(); ++i) {
    for (std::size_t j = 0; j < ordered.size(); ++j) {
      INFO(ordered[i] << " and " << ordered[j]);
      CHECK(path_before(ordered[i], ordered[j]) == (i < j));
    }
  }
}

TEST_CASE("the walk is in path order", "[postgres][files]") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  test::TempDir data(kMemory);
  make_cluster(data.path());
  static constexpr std::string_view letters[] = {"a", "b", "A", ".",       "-",
                                                 "!", "0", "~", "\xc3\xa4"};
  for (int i = 0; i < 200; ++i) {
    fs::path path = data.path();
    const auto depth = random() % 4 + 1;
    for (unsigned part = 0; part < depth; ++part) {
      std::string name = "u";
      for (auto length = random() % 3; length > 0; --length)
        name += letters[random() % std::size(letters)];
      path /= name;
    }
    std::error_code error;
    fs::create_directories(path, error);
    if (error || !fs::is_directory(path)) continue;  // a part of it is a file already
    put(path / "f");
    if (!fs::exists(path / "u-")) put(path / "u-");
  }
  const auto found = scan_paths(data.path());
  CHECK(found.size() > 100);
  for (std::size_t i = 1; i < found.size(); ++i) {
    INFO(found[i - 1] << " then " << found[i]);
    CHECK(path_before(found[i - 1], found[i]));
    CHECK_FALSE(path_before(found[i], found[i - 1]));
  }
  auto sorted = found;
  std::shuffle(sorted.begin(), sorted.end(), random);
  std::sort(sorted.begin(), sorted.end(), path_before);
  CHECK(sorted == found);
}

TEST_CASE("a cluster is visited", "[postgres][files]") {
  test::TempDir data(kMemory);
  make_cluster(data.path());
  REQUIRE(chmod((data / "PG_VERSION").c_str(), 0600) == 0);
  REQUIRE(chmod((data / "base/1").c_str(), 0750) == 0);
  const auto files = scan(data.path());
  CHECK(paths(files) == kCluster);

  const SourceFile& version = at(files, "PG_VERSION");
  CHECK(version.type == FileType::regular);
  CHECK(version.size_bytes == 3);
  CHECK(version.mode == 0600);
  CHECK(version.uid == getuid());
  CHECK(version.gid == getgid());
  CHECK(version.source == data / "PG_VERSION");
  CHECK_FALSE(version.relation);
  struct stat status {};
  REQUIRE(stat(version.source.c_str(), &status) == 0);
  CHECK(version.modified_us / 1'000'000 == status.st_mtim.tv_sec);

  CHECK(at(files, "base/1").type == FileType::directory);
  CHECK(at(files, "base/1").mode == 0750);
  CHECK(at(files, "base/1").size_bytes == 0);
  CHECK(at(files, "base/1/1259").relation->relfilenode == 1259);
  CHECK(at(files, "global/1262").relation->relfilenode == 1262);
  CHECK(at(files, "global/1262").size_bytes == 8192);
  CHECK_FALSE(at(files, "pg_xact/0000").relation);
}

TEST_CASE("what does not belong to a backup is left out", "[postgres][files]") {
  test::TempDir data(kMemory);
  make_cluster(data.path());
  const std::string name = GENERATE(
      "postgresql.auto.conf.tmp", "current_logfiles.tmp", "backup_label", "tablespace_map",
      "backup_manifest", "postmaster.pid", "postmaster.opts", ".DS_Store", "recovery.signal",
      "standby.signal", "pgcairn.restore", "core", "core.1234", "global/pg_internal.init",
      "global/pg_internal.init.4711", "base/1/pg_internal.init", "base/1/pg_internal.init.99",
      "base/pgsql_tmp/pgsql_tmp1234.0", "base/1/pgsql_tmp1.sharedfileset/0", "base/1/t3_16400",
      "base/1/t3_16400_vm", "base/1/t14_16400.1", "base/1/.DS_Store", "base/1/backup_label",
      "pg_wal/000000010000000000000001", "pg_wal/00000002.history",
      "pg_wal/archive_status/000000010000000000000001.ready", "pg_wal/xlogtemp.12",
      "postgresql.auto.conf.0123456789ab.pgcairn.tmp");
  INFO(name);
  put(data / name);
  CHECK(scan_paths(data.path()) == kCluster);
}

TEST_CASE("directories of no lasting content are kept empty", "[postgres][files]") {
  test::TempDir data(kMemory);
  make_cluster(data.path());
  const std::string name = GENERATE("pg_stat_tmp", "pg_replslot", "pg_dynshmem", "pg_notify",
                                    "pg_serial", "pg_snapshots", "pg_subtrans");
  put(data / name / "deep/file");
  auto expected = kCluster;
  expected.push_back(name);
  std::sort(expected.begin(), expected.end(), path_before);
  CHECK(scan_paths(data.path()) == expected);
}

TEST_CASE("names that only look like excluded ones stay", "[postgres][files]") {
  test::TempDir data(kMemory);
  make_cluster(data.path());
  const std::vector<std::string> names = {"backup_label.old",
                                          "postmaster.pid.bak",
                                          "core.txt",
                                          "base/1/core",
                                          "base/1/t3_16400_x",
                                          "base/1/16400",
                                          "pg_xact/t3_16400",
                                          "base/1/pg_filenode.map",
                                          "global/pg_filenode.map",
                                          "base/1/standby.signal",
                                          "pg_stat/pgstat.stat",
                                          "log/x.log",
                                          "global/t3_16400",
                                          "base/t3_1"};
  for (const std::string& name : names) put(data / name);
  const auto found = scan_paths(data.path());
  for (const std::string& name : names) {
    INFO(name);
    CHECK(contains(found, name));
  }
}

TEST_CASE("pg_wal has its empty sub-directories", "[postgres][files]") {
  test::TempDir data(kMemory);
  make_cluster(data.path());
  fs::remove_all(data / "pg_wal/archive_status");
  put(data / "pg_wal/summaries/0000000100000000010000280000000001000100.summary");
  CHECK(scan_paths(data.path(), 16) == kCluster);
  auto expected = kCluster;
  expected.insert(std::find(expected.begin(), expected.end(), "pg_xact"), "pg_wal/summaries");
  fs::create_directories(data / "pg_tblspc");
  CHECK(scan_paths(data.path(), 17) == expected);
}

TEST_CASE("of an unlogged relation its init fork is kept", "[postgres][files]") {
  test::TempDir data(kMemory);
  make_cluster(data.path());
  for (const char* name :
       {"16400", "16400.1", "16400_fsm", "16400_vm", "16400_init", "16401", "16401_fsm", "164001"})
    put(data / "base/1" / name);
  put(data / "base/2/16400");  // another database's relation of the same number
  const auto files = scan(data.path());
  const auto found = paths(files);
  CHECK(contains(found, "base/1/16400_init"));
  CHECK(at(files, "base/1/16400_init").relation->fork == Fork::init);
  for (const char* name : {"16401", "16401_fsm", "164001"})
    CHECK(contains(found, format("base/1/{}", name)));
  CHECK(contains(found, "base/2/16400"));
  for (const char* name : {"16400", "16400.1", "16400_fsm", "16400_vm"})
    CHECK_FALSE(contains(found, format("base/1/{}", name)));
}

TEST_CASE("only files in a database's or the global directory are relations", "[postgres][files]") {
  test::TempDir data(kMemory);
  make_cluster(data.path());
  for (const char* name : {"pg_xact/0001", "1234", "base/1234", "log/1234", "base/1/sub/1234"})
    put(data / name);
  const auto files = scan(data.path());
  for (const char* name : {"pg_xact/0001", "1234", "base/1234", "log/1234", "base/1/sub/1234"}) {
    INFO(name);
    CHECK_FALSE(at(files, name).relation);
  }
}

TEST_CASE("tablespaces", "[postgres][files]") {
  test::TempDir data(kMemory);
  test::TempDir elsewhere(kMemory);
  make_cluster(data.path());
  put(elsewhere / kVersion / "5/16500");
  put(elsewhere / kVersion / "5/16501");
  put(elsewhere / kVersion / "5/16501_init");
  put(elsewhere / kVersion / "5/t3_16502");
  put(elsewhere / kVersion / "pgsql_tmp/pgsql_tmp1.0");
  put(elsewhere / "PG_14_202107181/5/16500");
  put(elsewhere / "a file of somebody");
  REQUIRE(chmod(elsewhere.path().c_str(), 0700) == 0);
  fs::create_directory_symlink(elsewhere.path(), data / "pg_tblspc/16384");

  const auto files = scan(data.path());
  auto expected = kCluster;
  const std::string top = format("pg_tblspc/16384/{}", kVersion);
  const std::vector<std::string> added = {"pg_tblspc/16384", top, top + "/5", top + "/5/16500",
                                          top + "/5/16501_init"};
  expected.insert(std::find(expected.begin(), expected.end(), "pg_wal"), added.begin(),
                  added.end());
  CHECK(paths(files) == expected);
  const SourceFile& link = at(files, "pg_tblspc/16384");
  CHECK(link.type == FileType::link);
  CHECK(link.link_target == elsewhere.path());
  CHECK(link.mode == 0700);
  const SourceFile& relation = at(files, top + "/5/16500");
  REQUIRE(relation.relation);
  CHECK(relation.relation->relfilenode == 16500);
  CHECK(relation.source == data / relation.path);
}

TEST_CASE("a tablespace in place is a directory", "[postgres][files]") {
  test::TempDir data(kMemory);
  make_cluster(data.path());
  put(data / "pg_tblspc/16384" / kVersion / "5/16500");
  put(data / "pg_tblspc/16384/PG_14_202107181/5/16500");
  const auto files = scan(data.path());
  CHECK(at(files, "pg_tblspc/16384").type == FileType::directory);
  CHECK(at(files, format("pg_tblspc/16384/{}/5/16500", kVersion)).relation);
  CHECK_FALSE(contains(paths(files), "pg_tblspc/16384/PG_14_202107181"));
}

TEST_CASE("a tablespace inside the data directory is kept once", "[postgres][files]") {
  test::TempDir data(kMemory);
  make_cluster(data.path());
  put(data / "inside/ts" / kVersion / "5/16500");
  put(data / "inside/other");
  fs::create_directory_symlink(data / "inside/ts", data / "pg_tblspc/16384");
  const auto found = scan_paths(data.path());
  CHECK(contains(found, format("pg_tblspc/16384/{}/5/16500", kVersion)));
  CHECK(contains(found, "inside/other"));
  for (const std::string& path : found) CHECK_FALSE(path.starts_with("inside/ts"));
}

TEST_CASE("a tablespace that is not mounted is an error", "[postgres][files]") {
  test::TempDir data(kMemory);
  test::TempDir elsewhere(kMemory);
  make_cluster(data.path());
  const bool empty_mount_point = GENERATE(true, false);
  fs::create_directory_symlink(
      empty_mount_point ? elsewhere.path() : fs::path("/nonexistent/tablespace"),
      data / "pg_tblspc/16384");
  CHECK_THROWS_AS(scan_paths(data.path()), Error);
}

TEST_CASE("links are followed", "[postgres][files]") {
  test::TempDir data(kMemory);
  test::TempDir elsewhere(kMemory);
  make_cluster(data.path());
  fs::remove_all(data / "pg_wal");
  put(elsewhere / "wal/000000010000000000000001");
  fs::create_directory_symlink(elsewhere / "wal", data / "pg_wal");
  put(elsewhere / "postgresql.conf", "port = 5432\n");
  fs::create_symlink(elsewhere / "postgresql.conf", data / "postgresql.conf");
  put(elsewhere / "conf.d/a.conf");
  fs::create_directory_symlink(elsewhere / "conf.d", data / "conf.d");
  put(elsewhere / "2/16400");
  put(elsewhere / "2/16400_init");
  fs::create_directory_symlink(elsewhere / "2", data / "base/2");
  fs::create_directory_symlink("/nonexistent/run", data / "pg_stat_tmp");

  const auto files = scan(data.path());
  const auto found = paths(files);
  CHECK(at(files, "pg_wal").type == FileType::directory);
  CHECK(at(files, "pg_wal/archive_status").type == FileType::directory);
  CHECK_FALSE(contains(found, "pg_wal/000000010000000000000001"));
  CHECK(at(files, "postgresql.conf").type == FileType::regular);
  CHECK(at(files, "postgresql.conf").size_bytes == 12);
  CHECK(at(files, "conf.d").type == FileType::directory);
  CHECK(contains(found, "conf.d/a.conf"));
  CHECK(contains(found, "base/2/16400_init"));
  CHECK_FALSE(contains(found, "base/2/16400"));
  CHECK(at(files, "pg_stat_tmp").type == FileType::directory);
}

TEST_CASE("what cannot be kept is named in the log", "[postgres][files]") {
  test::TempDir data(kMemory);
  make_cluster(data.path());
  Warnings warnings;
  REQUIRE(mkfifo((data / "base/pipe").c_str(), 0600) == 0);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string name = (data / ".s.PGSQL.5432").native();
  REQUIRE(name.size() < sizeof address.sun_path);
  name.copy(address.sun_path, name.size());
  REQUIRE(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  close(fd);
  fs::create_symlink("nowhere", data / "dangling");
  fs::create_symlink("circle", data / "circle");
  fs::create_directory_symlink(data.path(), data / "base/up");
  auto expected = kCluster;
  expected.insert(std::find(expected.begin(), expected.end(), "global"), "base/up");
  CHECK(scan_paths(data.path()) == expected);
  for (const char* part : {"base/pipe", ".s.PGSQL.5432", "dangling", "circle", "base/up"}) {
    INFO(part);
    CHECK(warnings.name(part));
  }
  CHECK(warnings.count() == 5);
}

TEST_CASE("excluded paths are left out with what is below them, and named", "[postgres][files]") {
  test::TempDir data(kMemory);
  make_cluster(data.path());
  put(data / "log/old/1");
  put(data / "logs");
  put(data / "conf.d/key");
  put(data / "conf.d/key.pub");
  fs::create_symlink("/nowhere", data / "dangling");
  const std::vector<std::string> exclude = {"log", "conf.d/key", "dangling", "absent"};
  Warnings warnings;
  std::vector<std::string> found;
  const auto left_out = scan_cluster(
      data.path(), 15, kCatalog, [&](SourceFile&& file) { found.push_back(file.path); }, exclude);
  auto expected = kCluster;
  const auto place = std::find(expected.begin(), expected.end(), "global");
  expected.insert(place, {"conf.d", "conf.d/key.pub"});
  expected.insert(std::find(expected.begin(), expected.end(), "pg_tblspc"), "logs");
  CHECK(found == expected);
  CHECK(left_out == std::vector<std::string>{"conf.d/key", "dangling", "log"});
  CHECK(warnings.count() == 0);
}

TEST_CASE("files that vanish while looking are passed over", "[postgres][files]") {
  test::TempDir data(kMemory);
  make_cluster(data.path());
  put(data / "base/1/1260");
  put(data / "base/2/1");
  Warnings warnings;
  std::vector<std::string> found;
  scan_cluster(data.path(), 15, kCatalog, [&](SourceFile&& file) {
    found.push_back(file.path);
    if (file.path == "base/1/1259") fs::remove(data / "base/1/1260");
    if (file.path == "base/2") fs::remove_all(data / "base/2");
  });
  CHECK(contains(found, "base/2"));
  CHECK_FALSE(contains(found, "base/1/1260"));
  CHECK_FALSE(contains(found, "base/2/1"));
  CHECK(contains(found, "pg_xact/0000"));
  CHECK(warnings.count() == 0);
}

TEST_CASE("no data directory is an error", "[postgres][files]") {
  test::TempDir data(kMemory);
  CHECK_THROWS_AS(scan_paths(data / "missing"), SystemError);
}

}  // namespace pgcairn::postgres
