#include "support/repository.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;

namespace {

BackupMarker read(std::string_view json) {
  return read_backup_marker(json, "marker");
}

/// The marker with one member's value replaced.
std::string with(const std::string& json, const std::string& name, const std::string& value) {
  const std::size_t start = json.find("\"" + name + "\":");
  REQUIRE(start != std::string::npos);
  const std::size_t at = start + name.size() + 3;
  const bool text = json[at] == '"';
  const std::size_t end = text ? json.find('"', at + 1) + 1 : json.find_first_of(",}", at);
  return json.substr(0, at) + value + json.substr(end);
}

}  // namespace

TEST_CASE("a marker comes back as it was written") {
  BackupMarker info = sample_backup();
  const auto same = [](const BackupMarker& a, const BackupMarker& b) {
    CHECK(a.label == b.label);
    CHECK(a.type == b.type);
    CHECK(a.prior == b.prior);
    CHECK(a.cluster == b.cluster);
    CHECK(a.system_id == b.system_id);
    CHECK(a.pg_version == b.pg_version);
    CHECK(a.catalog_version == b.catalog_version);
    CHECK(a.wal_segment_bytes == b.wal_segment_bytes);
    CHECK(a.data_checksums == b.data_checksums);
    CHECK(a.from_standby == b.from_standby);
    CHECK(a.start_time == b.start_time);
    CHECK(a.stop_time == b.stop_time);
    CHECK(a.start_lsn == b.start_lsn);
    CHECK(a.stop_lsn == b.stop_lsn);
    CHECK(a.timeline == b.timeline);
    CHECK(a.wal_start == b.wal_start);
    CHECK(a.wal_stop == b.wal_stop);
    CHECK(a.wal_stop_hash == b.wal_stop_hash);
    CHECK(a.witness == b.witness);
    CHECK(a.wal_copied == b.wal_copied);
    CHECK(a.cluster_bytes == b.cluster_bytes);
    CHECK(a.read_bytes == b.read_bytes);
    CHECK(a.stored_bytes == b.stored_bytes);
    CHECK(a.files == b.files);
    CHECK(a.outside == b.outside);
    CHECK(a.excluded == b.excluded);
    CHECK(a.unlogged == b.unlogged);
    CHECK(a.unsettled_before == b.unsettled_before);
    CHECK(a.limits == b.limits);
    CHECK(a.limits_configured == b.limits_configured);
    REQUIRE(a.page_errors.size() == b.page_errors.size());
    for (std::size_t i = 0; i < a.page_errors.size(); ++i) {
      CHECK(a.page_errors[i].path == b.page_errors[i].path);
      CHECK(a.page_errors[i].blocks == b.page_errors[i].blocks);
      CHECK(a.page_errors[i].count == b.page_errors[i].count);
      CHECK(a.page_errors[i].relation == b.page_errors[i].relation);
    }
    REQUIRE(a.tablespaces.size() == b.tablespaces.size());
    for (std::size_t i = 0; i < a.tablespaces.size(); ++i) {
      CHECK(a.tablespaces[i].oid == b.tablespaces[i].oid);
      CHECK(a.tablespaces[i].name == b.tablespaces[i].name);
      CHECK(a.tablespaces[i].location == b.tablespaces[i].location);
    }
    CHECK(a.backup_label == b.backup_label);
    CHECK(a.tablespace_map == b.tablespace_map);
    CHECK(a.packs == b.packs);
    CHECK(a.resumed == b.resumed);
    CHECK(a.manifest_parts == b.manifest_parts);
    CHECK(a.codec == b.codec);
    CHECK(a.program_version == b.program_version);
    CHECK(a.host == b.host);
    CHECK(a.page_error_count() == b.page_error_count());
  };
  same(read(write_backup_marker(info)), info);

  info.label = "20261121-010203F_20261122-010203I";
  info.type = BackupType::incremental;
  info.prior = kLabel;
  info.from_standby = true;
  info.unlogged = {"base/5/16399", "pg_tblspc/16400/PG_15_202209061/5/16500"};
  info.unsettled_before = 741;
  info.limits = ServerLimits{{100, 8, 10, 0, 64}, 1};
  info.limits_configured = false;
  info.packs = {{std::string(kLabel), 3, 9}, {info.label, 0, UINT32_MAX}};
  info.wal_stop_hash = "00112233445566778899aabbccddeeff";
  info.excluded = {"log", "a\xff"};
  info.witness = "ffeeddccbbaa99887766554433221100";
  info.wal_copied = true;
  info.resumed = {{"20261122-000000F", 7, UINT64_MAX}, {"20261121-230000F", 1, 8192}};
  info.page_errors.push_back(
      {"od\xff"
       "d",
       {UINT32_MAX},
       UINT64_MAX});
  info.page_errors.push_back({"base/5/16390",
                              {7},
                              1,
                              NamedRelation{"sh\xff"
                                            "p",
                                            "public", "orders_pkey", "index", "public", "orders"}});
  same(read(write_backup_marker(info)), info);
  same(read(write_backup_marker(BackupMarker(sample_backup()))), sample_backup());
}

TEST_CASE("a marker may have members that this program does not know, but lacks none") {
  const std::string json = write_backup_marker(sample_backup());
  CHECK(read("{\"later\":{\"x\":[1]}," + json.substr(1)).label == kLabel);

  JsonDocument document("marker");
  std::vector<std::string> names;
  document.parse(json).each_member(
      [&](std::string_view name, JsonValue) { names.emplace_back(name); });
  REQUIRE(names.size() == 35);
  for (const std::string& name : names) {
    if (name == "prior") continue;      // null, or absent
    if (name == "databases") continue;  // backups of the first days lack it
    if (name == "outside") continue;    // absent when all is in the data directory
    std::string without = json;
    without.replace(without.find("\"" + name + "\":"), name.size() + 2, "\"gone-" + name + "\"");
    INFO(name);
    CHECK_THROWS_AS(read(without), DamagedError);
  }
}

TEST_CASE("a marker with values that cannot be is refused") {
  const std::string json = write_backup_marker(sample_backup());
  CHECK_THAT(error_of([&] { read(with(json, "format", "2")); }), Says({"marker", "version is 2"}));
  const std::pair<const char*, const char*> table[] = {
      {"type", "\"partial\""},
      {"system-id", "\"seven\""},
      {"start-time", "\"yesterday\""},
      {"start-lsn", "\"6000028\""},
      {"files", "-1"},
      {"files", "1.5"},
      {"from-standby", "0"},
      {"manifest-parts", "4294967297"},  // would be 1
      {"timeline", "4294967297"},
      {"first", "4294967296"},
      {"oid", "4294967296"},
      {"wal-segment-bytes", "0"},  // divides
      {"wal-segment-bytes", "3"},
      {"wal-segment-bytes", "4294967296"},
      {"wal-start", "\"1\""},
      {"wal-start", "\"000000010000000000000008\""},  // behind wal-stop
      {"wal-start", "\"000000020000000000000006\""},  // on another timeline
      {"wal-stop", "\"00000001000000000000FFFF\""},
  };
  for (const auto& [name, value] : table) {
    INFO(name << " " << value);
    CHECK_THROWS_AS(read(with(json, name, value)), DamagedError);
  }
  for (std::size_t size = 0; size < json.size(); ++size)
    CHECK_THROWS_AS(read(json.substr(0, size)), DamagedError);
}

TEST_CASE("names of backup types") {
  for (const BackupType type :
       {BackupType::full, BackupType::incremental, BackupType::differential})
    CHECK(parse_backup_type(name_of(type)) == type);
  CHECK(parse_backup_type("Full") == std::nullopt);
  CHECK(parse_backup_type("") == std::nullopt);
}
