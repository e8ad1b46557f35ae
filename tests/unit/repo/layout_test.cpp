#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/storage/driver.hpp>

#include <chrono>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;

TEST_CASE("keys are as pgcairn-repository(5) lists them") {
  const std::string label = "20261121-010203F";
  const std::string cluster = "15-7412345678901234567";
  const std::pair<std::string, std::string> table[] = {
      {std::string(kRepositoryKey), "pgcairn.json"},
      {cluster_key("main", cluster), "cluster/main/15-7412345678901234567.json"},
      {marker_key("main", label), "main/backup/20261121-010203F.json"},
      {manifest_key("main", label, 0), "main/data/20261121-010203F/manifest/00000000"},
      {pack_key("main", label, 12345678), "main/data/20261121-010203F/pack/12345678"},
      {wal_key("main", cluster, "000000010000000A000000FF"),
       "main/wal/15-7412345678901234567/000000010000000A/000000010000000A000000FF"},
      {wal_key("main", cluster, "000000010000000A000000FF.partial"),
       "main/wal/15-7412345678901234567/000000010000000A/000000010000000A000000FF.partial"},
      {wal_key("main", cluster, "000000010000000A000000FF.00000028.backup"),
       "main/wal/15-7412345678901234567/000000010000000A/000000010000000A000000FF.00000028.backup"},
      {wal_key("main", cluster, "00000002.history"),
       "main/wal/15-7412345678901234567/00000002.history"},
      {lease_key("main", 7), "lease/main/00000007.json"},
  };
  for (const auto& [key, expected] : table) {
    CHECK(key == expected);
    CHECK_NOTHROW(storage::check_key(key));
  }
  CHECK(cluster_key("main", cluster).starts_with(cluster_prefix("main")));
  CHECK(cluster_prefix("main").starts_with(kClustersPrefix));
  CHECK(marker_key("main", label).starts_with(marker_prefix("main")));
  CHECK(pack_key("main", label, 1).starts_with(pack_prefix("main", label)));
  CHECK(pack_prefix("main", label).starts_with(data_prefix("main", label)));
  CHECK(manifest_key("main", label, 1).starts_with(data_prefix("main", label)));
  CHECK(wal_key("main", cluster, "00000002.history").starts_with(wal_prefix("main", cluster)));
  CHECK(lease_key("main", 1).starts_with(lease_prefix("main")));
}

TEST_CASE("a document's name is what stands between prefix and .json") {
  CHECK(document_name("main/backup/x.json", "main/backup/") == "x");
  CHECK(document_name("main/backup/.json", "main/backup/").empty());
  CHECK(document_name("main/backup/x", "main/backup/").empty());
  CHECK(document_name("other/backup/x.json", "main/backup/").empty());
}

TEST_CASE("names of stanzas") {
  for (const char* good : {"main", "a", "9", "db-1_x", "leases", "clusters"})
    CHECK_NOTHROW(check_stanza_name(good));
  CHECK_NOTHROW(check_stanza_name(std::string(64, 'a')));
  for (const char* bad : {"", "lease", "cluster", "record", "key", "Key", "LEASE", "-a", "_a", ".a",
                          "a.b", "a/b", "a b", "\xc3\xa4", "..", "a\n"})
    CHECK_THROWS_AS(check_stanza_name(bad), UsageError);
  CHECK_THROWS_AS(check_stanza_name(std::string(65, 'a')), UsageError);
}

TEST_CASE("no key of a stanza is one of the repository itself") {
  const std::string cluster = "17-7354812345678901234";
  const std::string label = "20261121-010203F";
  // Folders at the top are what the other keys begin with.
  std::vector<std::string> taken;
  for (const std::string& key :
       {cluster_prefix("main"), slot_key(0), lease_prefix("main"), record_prefix("main")})
    taken.push_back(key.substr(0, key.find('/')));
  for (const std::string& stanza : taken) {
    INFO(stanza);
    CHECK_FALSE(is_stanza_name(stanza));
    CHECK_THROWS_AS(stanza_prefix(stanza), UsageError);
    CHECK_THROWS_AS(cluster_prefix(stanza), UsageError);
    CHECK_THROWS_AS(cluster_key(stanza, cluster), UsageError);
    CHECK_THROWS_AS(marker_key(stanza, label), UsageError);
    CHECK_THROWS_AS(backups_data_prefix(stanza), UsageError);
    CHECK_THROWS_AS(pack_key(stanza, label, 0), UsageError);
    CHECK_THROWS_AS(wal_prefix(stanza, cluster), UsageError);
    CHECK_THROWS_AS(lease_prefix(stanza), UsageError);
    CHECK_THROWS_AS(record_prefix(stanza), UsageError);
    CHECK_FALSE(parse_key(format("{}/data/{}/pack/00000000", stanza, label)));
  }
}

TEST_CASE("a stanza may be called like a folder inside of a stanza") {
  const std::string label = "20261121-010203F";
  const std::string cluster = "17-7354812345678901234";
  const std::string segment = "000000010000000A000000FF";
  for (const std::string stanza :
       {"backup", "data", "wal", "manifest", "pack", "clusters", "leases", "pgcairn", "json",
        "main", "BACKUP", "keys", "records"}) {
    INFO(stanza);
    REQUIRE(is_stanza_name(stanza));
    const std::string marker = marker_key(stanza, label);
    const std::string documents[] = {lease_key(stanza, 1), record_key(stanza, "x"),
                                     cluster_key(stanza, cluster)};
    const std::string objects[] = {manifest_key(stanza, label, 0), pack_key(stanza, label, 0),
                                   wal_key(stanza, cluster, segment)};
    CHECK(needs_lease("put", marker));
    CHECK(needs_lease("remove", marker));
    CHECK(is_document(marker));
    CHECK_FALSE(tells_of_repository(marker));
    for (const std::string& key : documents) {
      INFO(key);
      CHECK_FALSE(needs_lease("put", key));
      CHECK(needs_lease("remove", key) == (key != lease_key(stanza, 1)));
      CHECK(is_document(key));
      CHECK(tells_of_repository(key) == (key != lease_key(stanza, 1)));
      CHECK(parse_key(key)->kind == ObjectKind::document);
    }
    for (const std::string& key : objects) {
      INFO(key);
      CHECK_FALSE(needs_lease("put", key));
      CHECK(needs_lease("remove", key));
      CHECK_FALSE(is_document(key));
      CHECK_FALSE(tells_of_repository(key));
      CHECK(parse_key(key)->stanza == stanza);
    }
    CHECK_FALSE(needs_lease("put", stanza));
  }
  for (const std::string& key : {std::string(kRepositoryKey), slot_key(1)}) {
    CHECK_FALSE(needs_lease("put", key));
    CHECK(tells_of_repository(key));
  }
}

TEST_CASE("labels of backups") {
  for (const char* good : {"20261121-010203F", "20261121-010203F_20261122-010203I",
                           "20261121-010203F_20261122-010203D"})
    CHECK(is_backup_label(good));
  for (const char* bad : {"", "20261121-010203", "20261121-010203I", "20261121_010203F",
                          "20261121-01020aF", "20261121-010203F_20261122-010203F",
                          "20261121-010203F-20261122-010203I", "20261121-010203I_20261122-010203I",
                          "20261121-010203F_", "20261121-010203F ", "20261121-010203f"})
    CHECK_FALSE(is_backup_label(bad));
  using namespace std::chrono;
  const Timestamp when = sys_days(2026y / November / 21) + 1h + 2min + 3s + 999999us;
  CHECK(full_backup_label(when) == "20261121-010203F");
}
