#include "support/random.hpp"
#include "support/repository.hpp"

#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;

namespace {

/// Any bytes that a file may have as its name, the odd ones more often than they are in life.
std::string random_name(Random& random) {
  static const std::string_view odd = "%\\\"\x01\n\x7f\xff\xc3\xa4\xe2\x80\xa8\xed\xa0\x80.. ";
  std::string name;
  for (std::uint64_t i = 1 + below(random, 12); i > 0; --i) {
    const char c = below(random, 2) == 0 ? odd[below(random, odd.size())]
                                         : static_cast<char>(1 + below(random, 255));
    if (c != '/') name += c;
  }
  return name.empty() || name == "." || name == ".." ? "x" : name;
}

ManifestEntry random_entry(Random& random, std::size_t refs) {
  ManifestEntry entry;
  entry.path = random_name(random);
  for (std::uint64_t i = below(random, 4); i > 0; --i) entry.path += "/" + random_name(random);
  entry.type = static_cast<EntryType>(below(random, 3));
  entry.user = below(random, 2) == 0 ? "postgres" : random_name(random);
  entry.group = below(random, 2) == 0 ? "postgres" : random_name(random);
  if (entry.type == EntryType::link) {
    entry.target = "/" + random_name(random);
    entry.mode = 0600;  // links have none of their own
    return entry;
  }
  entry.mode = static_cast<std::uint32_t>(below(random, 010000));
  if (entry.type == EntryType::directory) return entry;
  entry.time_us = static_cast<std::int64_t>(random());
  entry.pages = below(random, 2) == 0;
  if (!entry.pages) entry.hash = "00112233445566778899aabbccddeeff";
  for (std::uint64_t i = below(random, 3); i > 0; --i)
    entry.bad_blocks.push_back(static_cast<std::uint32_t>(random()));
  for (std::uint64_t i = below(random, 6); i > 0; --i) {
    const Extent extent{1 + below(random, 1u << 24), std::uint32_t(below(random, refs)),
                        std::uint32_t(random()), std::uint32_t(below(random, 15000)),
                        std::uint32_t(below(random, 65536))};
    entry.map.push_back(extent);
    entry.size_bytes += extent.length_bytes;
  }
  return entry;
}

void check_same(const ManifestEntry& a, const ManifestEntry& b) {
  CHECK(a.path == b.path);
  CHECK(a.type == b.type);
  CHECK(a.target == b.target);
  CHECK(a.size_bytes == b.size_bytes);
  CHECK(a.time_us == b.time_us);
  CHECK(a.mode == b.mode);
  CHECK(a.user == b.user);
  CHECK(a.group == b.group);
  CHECK(a.pages == b.pages);
  CHECK(a.hash == b.hash);
  CHECK(a.bad_blocks == b.bad_blocks);
  REQUIRE(a.map.size() == b.map.size());
  for (std::size_t i = 0; i < a.map.size(); ++i) {
    CHECK(a.map[i].length_bytes == b.map[i].length_bytes);
    CHECK(a.map[i].ref == b.map[i].ref);
    CHECK(a.map[i].pack == b.map[i].pack);
    CHECK(a.map[i].frame == b.map[i].frame);
    CHECK(a.map[i].offset_bytes == b.map[i].offset_bytes);
  }
}

}  // namespace

TEST_CASE("what is written to a manifest is read from it") {
  Random random(seed());
  for (int round = 0; round < 20; ++round) {
    const auto driver = storage::make_memory();
    ManifestHeader header;
    header.label = kLabel;
    header.refs = {{std::string(kLabel), 65536}, {"20261120-010203F", 262144}};
    header.user = below(random, 2) == 0 ? "postgres" : random_name(random);
    header.group = "postgres";
    header.file_mode = 0640;
    header.directory_mode = 0750;
    ManifestWriter writer(*driver, SealContext(kId), "main", header);
    std::vector<ManifestEntry> entries(below(random, round == 0 ? 5000 : 50));
    for (ManifestEntry& entry : entries) {
      entry = random_entry(random, header.refs.size());
      if (entry.type == EntryType::link) entry.mode = header.file_mode;
      writer.add(entry);
    }
    std::vector<ManifestPack> packs(below(random, 20));
    for (ManifestPack& pack : packs) {
      pack = {std::uint32_t(below(random, 2)), std::uint32_t(random()),
              below(random, kMostPackBytes + 1), random(), std::uint32_t(random())};
      writer.add(pack);
    }
    const std::uint32_t parts = writer.finish();

    ManifestReader reader(*driver, SealContext(kId), "main", std::string(kLabel), parts);
    CHECK(reader.header().label == kLabel);
    CHECK(reader.header().user == header.user);
    CHECK(reader.header().group == header.group);
    CHECK(reader.header().file_mode == header.file_mode);
    CHECK(reader.header().directory_mode == header.directory_mode);
    REQUIRE(reader.header().refs.size() == 2);
    CHECK(reader.header().refs[1].backup == "20261120-010203F");
    CHECK(reader.header().refs[1].frame_bytes == 262144);
    for (const ManifestEntry& entry : entries) {
      const auto back = reader.next();
      REQUIRE(back);
      check_same(*back, entry);
    }
    CHECK_FALSE(reader.next());
    const std::vector<ManifestPack> packs_back = reader.packs();
    REQUIRE(packs_back.size() == packs.size());
    for (std::size_t i = 0; i < packs.size(); ++i) {
      CHECK(packs_back[i].ref == packs[i].ref);
      CHECK(packs_back[i].pack == packs[i].pack);
      CHECK(packs_back[i].size_bytes == packs[i].size_bytes);
      CHECK(packs_back[i].index_offset == packs[i].index_offset);
      CHECK(packs_back[i].index_bytes == packs[i].index_bytes);
    }
  }
}
