#include "engine/status/sizes.hpp"

#include "support/random.hpp"

#include <pgcairn/common/text.hpp>

#include <set>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

/// Each pack has a size of its own, so that a wrong one shows.
std::uint64_t size_of_pack(const std::string& owner, std::uint32_t pack) {
  return std::hash<std::string>()(owner) % 1000 + std::uint64_t{pack} * pack + 1;
}

std::uint64_t size_of_packs(const std::string& owner, std::uint32_t first, std::uint32_t last) {
  std::uint64_t bytes = 0;
  for (std::uint32_t pack = first; pack <= last; ++pack) bytes += size_of_pack(owner, pack);
  return bytes;
}

std::vector<repo::BackupMarker> random_backups(Random& random) {
  std::vector<repo::BackupMarker> backups(below(random, 6) + 1);
  for (std::size_t i = 0; i < backups.size(); ++i) {
    backups[i].label = format("b{}", i);
    // As a marker has them: ranges of one owner follow each other and do not touch.
    for (std::size_t owner = 0; owner <= i; ++owner) {
      auto pack = static_cast<std::uint32_t>(below(random, 4));
      for (std::uint64_t ranges = below(random, 4); ranges > 0; --ranges) {
        const auto last = pack + static_cast<std::uint32_t>(below(random, 5));
        backups[i].packs.push_back({format("b{}", owner), pack, last});
        pack = last + 2 + static_cast<std::uint32_t>(below(random, 3));
      }
    }
  }
  return backups;
}

}  // namespace

TEST_CASE("what backups share and would free is what counting pack by pack finds") {
  Random random(seed());
  std::uint64_t shared_at_all = 0;
  for (int round = 0; round < 2000; ++round) {
    const auto backups = random_backups(random);
    std::map<std::pair<std::string, std::uint32_t>, std::set<std::string>> named;
    for (const auto& backup : backups) {
      for (const repo::PackRange& range : backup.packs) {
        for (std::uint32_t pack = range.first; pack <= range.last; ++pack)
          named[{range.backup, pack}].insert(backup.label);
      }
    }
    std::map<std::string, BackupSizes> expected;
    for (const auto& [pack, labels] : named) {
      const std::uint64_t bytes = size_of_pack(pack.first, pack.second);
      for (const std::string& label : labels) {
        expected[label].named_bytes += bytes;
        (labels.size() == 1 ? expected[label].freed_bytes : expected[label].shared_bytes) += bytes;
      }
    }
    const auto sizes = sizes_of(backups, size_of_packs);
    REQUIRE(sizes.size() == backups.size());
    for (const auto& [label, size] : sizes) {
      CHECK(size.named_bytes == expected[label].named_bytes);
      CHECK(size.shared_bytes == expected[label].shared_bytes);
      CHECK(size.freed_bytes == expected[label].freed_bytes);
      shared_at_all += size.shared_bytes;
    }
  }
  CHECK(shared_at_all > 0);
}
