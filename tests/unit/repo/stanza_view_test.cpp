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
