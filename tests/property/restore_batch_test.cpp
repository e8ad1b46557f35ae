// However long and fragmented a manifest is, what a restore keeps of it stays within its limit, and
// nothing of it is lost between one batch and the next.
#include "engine/restore/batch.hpp"
#include "support/random.hpp"

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/text.hpp>

#include <map>
#include <tuple>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

// Where a piece of a file is: ref, pack, frame, offset in the frame, length.
using Piece = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint64_t>;
using Pieces = std::map<std::pair<std::string, std::uint64_t>, Piece>;  // by path and offset

repo::ManifestEntry random_entry(test::Random& random, unsigned number) {
  repo::ManifestEntry entry;
  entry.path = format("base/5/{}", number);
  entry.pages = true;
  for (std::uint64_t i = test::below(random, 200); i-- > 0;) {
    repo::Extent extent;
    extent.length_bytes = (test::below(random, 3) + 1) * 8192;
    extent.ref = static_cast<std::uint32_t>(test::below(random, 3));
    extent.pack = static_cast<std::uint32_t>(test::below(random, 20));
    extent.frame = static_cast<std::uint32_t>(test::below(random, 100));
    extent.offset_bytes = static_cast<std::uint32_t>(test::below(random, 16)) * 8192;
    entry.size_bytes += extent.length_bytes;
    entry.map.push_back(extent);
  }
  return entry;
}

void note(Pieces& pieces, const repo::ManifestEntry& entry) {
  std::uint64_t at = 0;
  for (const repo::Extent& extent : entry.map) {
    pieces[{entry.path, at}] = {extent.ref, extent.pack, extent.frame, extent.offset_bytes,
                                extent.length_bytes};
    at += extent.length_bytes;
  }
}

}  // namespace

TEST_CASE("batches of a restore stay within their memory and hand out every part once",
          "[restore]") {
  test::Random random(test::seed());
  const std::uint64_t limit = 64 * kKiB;
  const std::uint64_t most_of_one_file = 200 * (sizeof(RestoreBatch::Part) + 3 * 8) + 1000;
  RestoreBatch batch(limit);
  Pieces expected;
  Pieces found;
  unsigned batches = 0;
  const auto work_off = [&] {
    ++batches;
    std::pair<std::uint32_t, std::uint32_t> last{0, 0};
    for (const auto parts : batch.by_pack()) {
      REQUIRE(!parts.empty());
      const std::pair<std::uint32_t, std::uint32_t> pack{parts.front().ref, parts.front().pack};
      CHECK((found.empty() || batches > 1 || last <= pack));
      last = pack;
      for (const auto& part : parts) {
        REQUIRE(std::pair(part.ref, part.pack) == pack);
        const auto key = std::pair(batch.files.at(part.file).path, part.file_offset_bytes);
        REQUIRE(found
                    .emplace(key, Piece{part.ref, part.pack, part.frame, part.offset_bytes,
                                        part.length_bytes})
                    .second);
      }
    }
    batch.clear();
    CHECK(batch.used_bytes() == 0);
  };
  for (unsigned i = 0; i < 500; ++i) {
    const repo::ManifestEntry entry = random_entry(random, i);
    note(expected, entry);
    batch.add(entry, 0600);
    REQUIRE(batch.used_bytes() < limit + most_of_one_file);
    if (batch.full()) work_off();
  }
  work_off();
  CHECK(batches > 10);
  CHECK(found == expected);
}

TEST_CASE("a batch leaves out what is the same already", "[restore]") {
  repo::ManifestEntry entry;
  entry.size_bytes = 8192;
  entry.map = {{8192, 0, 0, 0, 0}};
  RestoreBatch batch(kMiB);
  for (const char* const path : {"a", "b", "c"}) {
    entry.path = path;
    batch.add(entry, 0600);
  }
  batch.files[1].local = RestoreBatch::File::Local::same;
  const auto packs = batch.by_pack();
  REQUIRE(packs.size() == 1);
  REQUIRE(packs[0].size() == 2);
  CHECK((packs[0][0].file != 1 && packs[0][1].file != 1));
}
