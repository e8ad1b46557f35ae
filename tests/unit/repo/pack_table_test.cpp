#include <pgcairn/repo/pack_table.hpp>

#include <map>
#include <set>

#include <catch2/catch.hpp>
#include <support/random.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;

TEST_CASE("tables of packs answer as a set and a map do", "[repo][pack-table]") {
  test::Random random(test::seed());
  PackSet set;
  PackSizes sizes;
  std::set<std::pair<std::uint32_t, std::uint32_t>> expected;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> expected_sizes;
  const auto any = [&] {
    const auto ref = std::uint32_t(test::below(random, 3));
    // Runs that follow each other, their borders, and numbers that a hostile manifest would have.
    const std::uint64_t number = test::below(random, 8) == 0 ? random() : test::below(random, 1600);
    return std::pair(ref, std::uint32_t(number));
  };
  for (int i = 0; i < 3000; ++i) {
    const auto [ref, pack] = any();
    set.add(ref, pack);
    expected.emplace(ref, pack);
    const std::uint64_t size = test::below(random, 5);
    sizes.set(ref, pack, size);
    expected_sizes[{ref, pack}] = size;
  }
  CHECK(set.size() == expected.size());
  for (int i = 0; i < 3000; ++i) {
    const auto [ref, pack] = any();
    CHECK(set.contains(ref, pack) == expected.contains({ref, pack}));
    const auto size = expected_sizes.find({ref, pack});
    CHECK(sizes.find(ref, pack) ==
          (size == expected_sizes.end() ? std::nullopt : std::optional(size->second)));
  }
  set.clear();
  CHECK(set.size() == 0);
}
