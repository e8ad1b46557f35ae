#include "support/random.hpp"

#include <pgcairn/repo/file_map.hpp>

#include <map>
#include <tuple>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;

namespace {

using Place = std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>;  // ref, pack, position in it

/// Where each byte of a file is, the slow way.
std::vector<Place> spelled_out(const std::vector<Extent>& map,
                               const std::vector<ManifestRef>& refs) {
  std::vector<Place> places;
  for (const Extent& extent : map) {
    const std::uint64_t start =
        std::uint64_t{extent.frame} * refs[extent.ref].frame_bytes + extent.offset_bytes;
    for (std::uint64_t i = 0; i < extent.length_bytes; ++i) {
      places.emplace_back(extent.ref, extent.pack, start + i);
    }
  }
  return places;
}

std::vector<Extent> random_map(Random& random, const std::vector<ManifestRef>& refs) {
  std::vector<Extent> map;
  for (std::uint64_t i = below(random, 12) + 1; i > 0; --i) {
    const auto ref = static_cast<std::uint32_t>(below(random, refs.size()));
    append_extent(map,
                  {below(random, 40) + 1, ref, static_cast<std::uint32_t>(below(random, 2)),
                   static_cast<std::uint32_t>(below(random, 4)),
                   static_cast<std::uint32_t>(below(random, refs[ref].frame_bytes))},
                  refs[ref].frame_bytes);
  }
  return map;
}

const std::vector<ManifestRef> kRefs = {{"new", 16}, {"old", 8}, {"older", 32}};

}  // namespace

TEST_CASE("any slice of a map says of each byte what the map says") {
  Random random(seed());
  for (int round = 0; round < 2000; ++round) {
    const std::vector<Extent> map = random_map(random, kRefs);
    const std::vector<Place> all = spelled_out(map, kRefs);
    const FileMap file(map, kRefs);
    REQUIRE(file.size_bytes() == all.size());
    const std::uint64_t offset = below(random, all.size());
    const std::uint64_t length = below(random, all.size() - offset) + 1;
    std::vector<Extent> slice;
    file.append_slice(offset, length, slice);
    const std::vector<Place> expected(all.begin() + static_cast<std::ptrdiff_t>(offset),
                                      all.begin() + static_cast<std::ptrdiff_t>(offset + length));
    REQUIRE(spelled_out(slice, kRefs) == expected);

    const Extent at = file.at(offset);
    REQUIRE(spelled_out({at}, kRefs).front() == all[offset]);
    REQUIRE(at.offset_bytes + at.length_bytes <= kRefs[at.ref].frame_bytes);
  }
}

TEST_CASE("slices put together again are no longer than the map they came from") {
  Random random(seed());
  for (int round = 0; round < 500; ++round) {
    const std::vector<Extent> map = random_map(random, kRefs);
    const FileMap file(map, kRefs);
    std::vector<Extent> again;
    for (std::uint64_t at = 0; at < file.size_bytes();) {
      const std::uint64_t length = below(random, file.size_bytes() - at) + 1;
      file.append_slice(at, length, again);
      at += length;
    }
    REQUIRE(spelled_out(again, kRefs) == spelled_out(map, kRefs));
    REQUIRE(again.size() == map.size());
  }
}
