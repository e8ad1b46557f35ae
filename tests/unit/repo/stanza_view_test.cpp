#include "support/repository.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;

namespace {

const std::string kName(kLabel);

/// Puts an object that nobody reads.
void put(MemoryRepository& memory, const std::string& key, std::string_view bytes = "x") {
  memory.store->put(key, as_bytes(bytes), storage::IfExists::fail);
}

}  // namespace

TEST_CASE("a stanza's view lists the packs of one backup by number, and nothing else below it") {
  MemoryRepository memory;
  put(memory, pack_key("main", kName, 10), "ten bytes.");
  put(memory, pack_key("main", kName, 2), "two");
  put(memory, manifest_key("main", kName, 3));
  put(memory, pack_key("main", "20261122-010203F", 4));
  put(memory, pack_key("other", kName, 5));
  // Nothing reads a pack of another spelling.
  put(memory, pack_prefix("main", kName) + "7");
  put(memory, pack_prefix("main", kName) + "00000008.old");
  std::vector<std::pair<std::uint32_t, std::uint64_t>> found;
  StanzaView(memory.repository, "main").packs(kName, [&](const ListedPack& pack) {
    found.emplace_back(pack.number, pack.size_bytes);
  });
  CHECK(found == std::vector<std::pair<std::uint32_t, std::uint64_t>>{{2, 3}, {10, 10}});
}

TEST_CASE("a stanza's view opens the manifest that a marker speaks of") {
  MemoryRepository memory;
  ManifestHeader header;
  header.label = kName;
  header.refs = {{kName, 65536}};
  ManifestWriter writer(memory.repository.driver(), memory.repository.seal_context(), "main",
                        header);
  ManifestEntry entry;
  entry.path = "PG_VERSION";
  writer.add(entry);
  BackupMarker marker = sample_backup();
  marker.manifest_parts = writer.finish();
  marker.manifest_seals = writer.seals();
  ManifestReader reader = StanzaView(memory.repository, "main").manifest(marker);
  CHECK(reader.header().label == kName);
  CHECK(reader.next()->path == "PG_VERSION");
  CHECK_FALSE(reader.next());
  CHECK_THROWS_AS(StanzaView(memory.repository, "other").manifest(marker), DamagedError);
}

TEST_CASE("a stanza's view lists WAL by folders, with what is only said by names") {
  MemoryRepository memory;
  const std::string cluster = "15-7412345678901234567";
  const std::string segment = "000000010000000A000000FF";
  for (const std::string& file :
       {segment, segment + ".00000028.backup", segment + ".partial",
        std::string("000000030000000B00000001"), std::string("00000003.history")})
    put(memory, wal_key("main", cluster, file));
  put(memory, wal_prefix("main", cluster) + "lost/file");
  const StanzaView view(memory.repository, "main");
  CHECK(view.wal_timelines(cluster) == std::set<Timeline>{1, 3});
  CHECK(view.has_backup_history(cluster, segment));
  CHECK_FALSE(view.has_backup_history(cluster, "000000030000000B00000001"));
  std::vector<std::string> files;
  view.wal_in(cluster, "000000010000000A",
              [&](const ListedWal& object) { files.emplace_back(object.file); });
  CHECK(files == std::vector{segment, segment + ".00000028.backup", segment + ".partial"});
  int unknown = 0;
  view.wal(cluster, [&](const ListedWal& object) { unknown += object.kind ? 0 : 1; });
  CHECK(unknown == 1);
}
