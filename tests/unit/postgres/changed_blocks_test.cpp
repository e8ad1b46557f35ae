#include "support/random.hpp"
#include "support/summary_file.hpp"

#include <pgcairn/postgres/changed_blocks.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace pgcairn::postgres {
namespace {

using Kind = FileChange::Kind;
using Blocks = std::vector<std::uint32_t>;

constexpr RelationKey kTable{1663, 5, 16384};
constexpr std::uint32_t kSegment = kRelationSegmentBlocks;

ChangedBlocks merged(const std::vector<std::string>& files) {
  ChangedBlocks changed;
  for (const std::string& bytes : files)
    parse_wal_summary(as_bytes(bytes), "x",
                      [&](const SummaryEntry& entry) { changed.merge(entry); });
  return changed;
}

ChangedBlocks merged(const test::SummaryWriter& writer) {
  return merged(std::vector{writer.bytes()});
}

// The changed ones of the first `count` blocks.
Blocks blocks_of(const FileChange& change, std::uint32_t count) {
  Blocks blocks;
  for (auto block = change.next(0); block && *block < count; block = change.next(*block + 1))
    blocks.push_back(*block);
  return blocks;
}

Blocks interval(std::uint32_t begin, std::uint32_t end) {
  Blocks blocks;
  for (std::uint32_t block = begin; block < end; ++block) blocks.push_back(block);
  return blocks;
}

}  // namespace

TEST_CASE("a relation that no summary names is unchanged", "[postgres][changes]") {
  test::SummaryWriter writer;
  const ChangedBlocks nothing = merged(writer);
  CHECK(nothing.change_of(kTable, 0).kind() == Kind::unchanged);
  writer.mark(kTable, 7);
  const ChangedBlocks changed = merged(writer);
  for (const RelationKey& other :
       {RelationKey{1663, 5, 16385}, RelationKey{1663, 6, 16384}, RelationKey{1664, 5, 16384}}) {
    const FileChange change = changed.change_of(other, 0);
    CHECK(change.kind() == Kind::unchanged);
    CHECK_FALSE(change.next(0));
    CHECK(change.count(kRelationSegmentBlocks) == 0);
  }
  CHECK(changed.change_of(kTable, 0).kind() == Kind::blocks);
}

TEST_CASE("marks of a segment are its own", "[postgres][changes]") {
  test::SummaryWriter writer;
  for (const std::uint32_t block : {3u, 65535u, 65536u, 131071u, 131072u + 9, 5u * 131072 + 70000})
    writer.mark(kTable, block);
  const ChangedBlocks changed = merged(writer);
  CHECK(blocks_of(changed.change_of(kTable, 0), 131072) == Blocks{3, 65535, 65536, 131071});
  CHECK(blocks_of(changed.change_of(kTable, 0), 131071) == Blocks{3, 65535, 65536});
  CHECK(changed.change_of(kTable, 0).count(65536) == 2);
  CHECK(blocks_of(changed.change_of(kTable, 1), 131072) == Blocks{9});
  CHECK(changed.change_of(kTable, 2).kind() == Kind::unchanged);
  CHECK(blocks_of(changed.change_of(kTable, 5), 131072) == Blocks{70000});
  CHECK(changed.change_of(kTable, 5).contains(70000));
  CHECK_FALSE(changed.change_of(kTable, 5).contains(69999));
}

TEST_CASE("marks of other forks say nothing of the main fork", "[postgres][changes]") {
  test::SummaryWriter writer;
  writer.mark(kTable, 0, 2);
  writer.limit(kTable, 0, 3);
  const ChangedBlocks changed = merged(writer);
  CHECK(changed.change_of(kTable, 0).kind() == Kind::unchanged);
}

TEST_CASE("all at or above a limit counts as changed", "[postgres][changes]") {
  const auto [limit, whole_from, blocks] = GENERATE(table<std::uint32_t, std::uint32_t, Blocks>({
      {0, 0, {}},
      {1, 1, {1, 2, 3, 4, 5}},
      {4, 1, {4, 5}},
      {6, 1, {}},
      {kSegment - 1, 1, {}},
      {kSegment, 1, {}},
      {kSegment + 1, 2, {}},
      {3 * kSegment, 3, {}},
  }));
  CAPTURE(limit);
  test::SummaryWriter writer;
  writer.limit(kTable, limit);
  const ChangedBlocks changed = merged(writer);
  if (whole_from > 0) CHECK(blocks_of(changed.change_of(kTable, 0), 6) == blocks);
  for (std::uint32_t number = 0; number < 5; ++number) {
    const FileChange change = changed.change_of(kTable, number);
    CHECK((change.kind() == Kind::whole) == (number >= whole_from));
    if (number >= whole_from) {
      CHECK(change.count(1000) == 1000);
      CHECK(blocks_of(change, 3) == Blocks{0, 1, 2});
    } else {
      CHECK(change.contains(kSegment - 1) == (limit < (number + 1) * kSegment));
    }
  }
}

TEST_CASE("a database that came or went changes all its files", "[postgres][changes]") {
  test::SummaryWriter writer;
  writer.limit({1663, 16446, 0}, 0);
  const ChangedBlocks changed = merged(writer);
  CHECK(changed.change_of({1663, 16446, 1259}, 0).kind() == Kind::whole);
  CHECK(changed.change_of({1663, 16446, 99999}, 3).kind() == Kind::whole);
  CHECK(changed.change_of({1663, 16447, 1259}, 0).kind() == Kind::unchanged);
  CHECK(changed.change_of({16448, 16446, 1259}, 0).kind() == Kind::unchanged);
}

TEST_CASE("segments beyond the last block number are taken whole", "[postgres][changes]") {
  test::SummaryWriter writer;
  writer.mark(kTable, 0xfffffffe);
  const ChangedBlocks changed = merged(writer);
  CHECK(blocks_of(changed.change_of(kTable, 32767), 131072) == Blocks{131070});
  CHECK(changed.change_of(kTable, 32768).kind() == Kind::whole);
  CHECK(changed.change_of(kTable, 4'000'000'000).kind() == Kind::whole);
}

TEST_CASE("a table truncated and grown again keeps its new blocks, in either order",
          "[postgres][changes]") {
  // One summary holds the truncation by VACUUM to 10 blocks, the next one the regrowth to 500.
  test::SummaryWriter truncated;
  truncated.mark(kTable, 3);
  truncated.limit(kTable, 10);
  test::SummaryWriter grown;
  for (std::uint32_t block = 9; block < 500; ++block) grown.mark(kTable, block);
  std::vector<std::string> files{truncated.bytes(), grown.bytes()};
  if (GENERATE(false, true)) std::swap(files[0], files[1]);
  Blocks expected = interval(9, 500);
  expected.insert(expected.begin(), 3);
  const ChangedBlocks changed = merged(files);
  const FileChange change = changed.change_of(kTable, 0);
  CHECK(blocks_of(change, 500) == expected);
  CHECK(change.count(500) == 492);
}

TEST_CASE("pages that grew without WAL after a truncation count as changed",
          "[postgres][changes]") {
  // Extended by zero pages: no mark tells of blocks 20 to 99.
  test::SummaryWriter writer;
  writer.limit(kTable, 20);
  const ChangedBlocks changed = merged(writer);
  CHECK(blocks_of(changed.change_of(kTable, 0), 100) == interval(20, 100));
}

TEST_CASE("a set of blocks is the same whether inline, sorted or a bitmap", "[postgres][changes]") {
  const std::uint32_t count = GENERATE(1u, 4u, 5u, 8u, 9u, 2048u, 2049u, 4095u, 4096u, 30000u);
  const bool one_by_one = GENERATE(false, true);
  CAPTURE(count, one_by_one);
  std::vector<std::string> files;
  Blocks expected;
  test::SummaryWriter all;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t block = 65536 + 2 * i + (i > 100 ? 1 : 0);
    expected.push_back(block);
    all.mark(kTable, block);
    if (!one_by_one) continue;
    test::SummaryWriter one;
    one.mark(kTable, block);
    files.push_back(one.bytes());
  }
  std::reverse(files.begin(), files.end());
  files.push_back(all.bytes());  // again: nothing becomes more
  const ChangedBlocks changed = merged(files);
  const FileChange change = changed.change_of(kTable, 0);
  CHECK(blocks_of(change, 131072) == expected);
  CHECK(change.count(131072) == count);
  CHECK(change.count(expected.back()) == count - 1);
  CHECK(change.contains(expected.back()));
  CHECK_FALSE(change.contains(expected.back() + 1));
}

TEST_CASE("merging gives the union of marks and the least limit, in any order",
          "[postgres][changes]") {
  test::Random random(test::seed());
  struct Model {
    std::uint32_t limit = kNoLimit;
    std::set<std::uint32_t> marks;
  };
  for (int round = 0; round < 20; ++round) {
    std::map<RelationKey, Model> model;
    std::vector<std::string> files;
    for (std::uint64_t file = 0, count = 1 + test::below(random, 6); file < count; ++file) {
      test::SummaryWriter writer;
      for (std::uint64_t i = 0, relations = test::below(random, 40); i < relations; ++i) {
        const RelationKey key{1663, 5, static_cast<std::uint32_t>(16384 + test::below(random, 30))};
        const std::uint64_t range = std::uint64_t{1} << test::below(random, 19);
        if (test::below(random, 3) == 0) {
          const auto limit = static_cast<std::uint32_t>(test::below(random, range));
          writer.limit(key, limit);
          model[key].limit = std::min(model[key].limit, limit);
        }
        const std::uint64_t marks = test::below(random, test::below(random, 8) == 0 ? 9000 : 12);
        for (std::uint64_t mark = 0; mark < marks; ++mark) {
          const auto block = static_cast<std::uint32_t>(test::below(random, range));
          writer.mark(key, block);
          model[key].marks.insert(block);
        }
      }
      files.push_back(writer.bytes());
    }
    std::shuffle(files.begin(), files.end(), random);
    const ChangedBlocks changed = merged(files);
    CAPTURE(test::seed(), round);
    REQUIRE(changed.relations() <= model.size());
    for (const auto& [key, expected] : model) {
      for (std::uint32_t segment = 0; segment < 4; ++segment) {
        const FileChange change = changed.change_of(key, segment);
        const std::uint32_t first = segment * kRelationSegmentBlocks;
        // A mark at or above the limit changes nothing: all of that is changed.
        const std::uint32_t limit = std::clamp(expected.limit, first, first + kSegment) - first;
        const std::uint32_t looked_at = std::min(limit + 10, kSegment);
        Blocks blocks;
        auto mark = expected.marks.lower_bound(first);
        for (; mark != expected.marks.end() && *mark < first + limit; ++mark)
          blocks.push_back(*mark - first);
        const auto below = static_cast<std::uint32_t>(blocks.size());
        for (std::uint32_t block = limit; block < looked_at; ++block) blocks.push_back(block);
        REQUIRE(blocks_of(change, looked_at) == blocks);
        REQUIRE(change.count(kSegment) == below + kSegment - limit);
        REQUIRE((change.kind() == Kind::unchanged) == blocks.empty());
        REQUIRE((change.kind() == Kind::whole) == (expected.limit <= first));
      }
    }
  }
}

TEST_CASE("no block that changed is ever missed, however WAL is cut into summaries",
          "[postgres][changes]") {
  // A relation lives: pages are written, it is truncated, rewritten, extended without WAL. Its
  // summaries are merged in random order; what the earlier backup had and is different now must be
  // told.
  test::Random random(test::seed());
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> files;
    test::SummaryWriter writer;
    std::vector<int> now(test::below(random, 300));  // the version of each page
    const std::vector<int> before = now;
    for (int step = 1; step < 60; ++step) {
      const auto length = static_cast<std::uint32_t>(now.size());
      switch (test::below(random, 8)) {
        case 0: {  // VACUUM or TRUNCATE
          const auto to = static_cast<std::uint32_t>(test::below(random, length + 1));
          writer.limit(kTable, to);
          now.resize(to);
          break;
        }
        case 1:  // zero pages: no WAL
          now.resize(length + test::below(random, 40), -1);
          break;
        case 2:  // the summarizer begins another file
          files.push_back(writer.bytes());
          writer = {};
          break;
        default:
          for (std::uint64_t i = 0; i < 10; ++i) {
            const auto block = static_cast<std::uint32_t>(test::below(random, now.size() + 1));
            writer.mark(kTable, block);
            if (block == now.size()) now.push_back(0);
            now[block] = step;
          }
      }
    }
    files.push_back(writer.bytes());
    std::shuffle(files.begin(), files.end(), random);
    const ChangedBlocks changed = merged(files);
    const FileChange change = changed.change_of(kTable, 0);
    for (std::uint32_t block = 0; block < std::min(before.size(), now.size()); ++block) {
      if (now[block] != before[block] && !change.contains(block))
        FAIL("seed " << test::seed() << ", round " << round << ", block " << block);
    }
  }
}

TEST_CASE("a hundred thousand relations take about fifty bytes each", "[postgres][changes]") {
  ChangedBlocks changed;
  constexpr std::uint32_t relations = 100'000;
  const std::uint16_t offsets[] = {0, 5, 77, 1000};
  const SummaryChunk chunk{0, false, std::as_bytes(std::span(offsets))};
  for (std::uint32_t i = 0; i < relations; ++i)
    changed.merge({{1663, 5, 16384 + i}, 0, kNoLimit, {&chunk, 1}});
  CHECK(changed.relations() == relations);
  CHECK(changed.memory_bytes() < relations * 56);
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i < relations; ++i)
    count += changed.change_of({1663, 5, 16384 + i}, 0).count(kRelationSegmentBlocks);
  CHECK(count == 4 * std::uint64_t{relations});
}

}  // namespace pgcairn::postgres
