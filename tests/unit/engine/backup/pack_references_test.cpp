#include "engine/backup/pack_references.hpp"

#include "support/random.hpp"

#include <pgcairn/common/error.hpp>

#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

const std::string kMarker = "main/backup/prior.json";

repo::ManifestPack pack_of(std::uint32_t ref, std::uint32_t number) {
  return {ref, number, 1000 + number, 900, 50};
}

/// The new backup, one that the prior names, the prior, and two interrupted ones.
PackReferences some_references() {
  PackReferences references({{"new", 65536}, {"older", 65536}, {"prior", 65536}});
  const std::vector<repo::ManifestRef> interrupted = {{"half", 65536}, {"third", 65536}};
  references.add_interrupted(interrupted);
  return references;
}

std::vector<repo::ManifestPack> all_others() {
  std::vector<repo::ManifestPack> packs;
  for (const std::uint32_t ref : {4U, 3U, 2U, 1U})
    for (std::uint32_t number = 0; number < 40; ++number) packs.push_back(pack_of(ref, number));
  return packs;
}

}  // namespace

TEST_CASE("a manifest lists its own packs and those of others that its maps name, by place") {
  Random random(seed());
  PackReferences references = some_references();
  std::set<std::pair<std::uint32_t, std::uint32_t>> named;
  std::map<std::uint32_t, std::uint64_t> bytes;
  std::vector<repo::ManifestPack> own;
  for (const std::uint32_t number : {0U, 1U, 2U}) {
    own.push_back(pack_of(0, number));
    named.insert({0, number});
  }
  for (int file = 0; file < 30; ++file) {
    std::vector<repo::Extent> map;
    for (int i = 0; i < 3; ++i) {
      const auto ref = static_cast<std::uint32_t>(below(random, 5));
      const auto number = static_cast<std::uint32_t>(below(random, ref == 0 ? 3 : 40));
      const std::uint64_t length = 1 + below(random, 100'000);
      map.push_back({length, ref, number, 0, 0});
      named.insert({ref, number});
      bytes[ref] += length;
    }
    references.name(map);
  }
  const auto packs = references.packs(own, all_others(), kMarker);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> listed;
  for (const repo::ManifestPack& pack : packs) {
    listed.emplace_back(pack.ref, pack.pack);
    CHECK(pack.size_bytes == 1000 + pack.pack);
  }
  CHECK((listed == std::vector(named.begin(), named.end())));

  std::vector<std::pair<std::string, std::uint32_t>> in_ranges;
  const auto ranges = references.ranges(packs);
  for (const repo::PackRange& range : ranges)
    for (std::uint32_t number = range.first; number <= range.last; ++number)
      in_ranges.emplace_back(range.backup, number);
  std::vector<std::pair<std::string, std::uint32_t>> expected;
  for (const auto& [ref, number] : named)
    expected.emplace_back(references.refs()[ref].backup, number);
  CHECK((in_ranges == expected));
  for (std::size_t i = 1; i < ranges.size(); ++i)
    CHECK((ranges[i].backup != ranges[i - 1].backup || ranges[i].first > ranges[i - 1].last + 1));

  std::vector<repo::Resumed> resumed;
  for (const std::uint32_t ref : {3U, 4U}) {
    const auto count = std::count_if(named.begin(), named.end(),
                                     [&](const auto& place) { return place.first == ref; });
    if (count > 0)
      resumed.push_back(
          {references.refs()[ref].backup, static_cast<std::uint64_t>(count), bytes[ref]});
  }
  CHECK((references.resumed(packs) == resumed));
}

TEST_CASE("a pack that a map names and no list has is damage of the backup that was built on") {
  Random random(seed());
  for (const std::uint32_t ref : {1U, 2U, 3U, 4U}) {
    PackReferences references = some_references();
    const auto number = static_cast<std::uint32_t>(below(random, 40));
    const std::vector<repo::Extent> map = {{10, ref, number, 0, 0}, {10, 2, 7, 0, 0}};
    references.name(map);
    auto others = all_others();
    CHECK_NOTHROW(references.packs({pack_of(0, 0)}, others, kMarker));
    std::erase_if(others, [&](const auto& pack) { return pack.ref == ref && pack.pack == number; });
    try {
      references.packs({pack_of(0, 0)}, others, kMarker);
      FAIL("ref " << ref << ", pack " << number << " is listed nowhere");
    } catch (const DamagedError& error) {
      CHECK(error.object() == kMarker);
    }
  }
}

TEST_CASE("a full backup that takes over nothing names its own packs alone") {
  const PackReferences references({{"new", 65536}});
  const auto packs = references.packs({pack_of(0, 1), pack_of(0, 0)}, {}, kMarker);
  REQUIRE(packs.size() == 2);
  CHECK((references.ranges(packs) == std::vector<repo::PackRange>{{"new", 0, 1}}));
  CHECK(references.resumed(packs).empty());
}
