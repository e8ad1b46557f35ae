#include "engine/wal/end.hpp"

#include "support/made_wal.hpp"
#include "support/random.hpp"
#include "support/rounds.hpp"

#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

Buffer buffer_of(std::string_view text) {
  Buffer buffer;
  buffer.append(as_bytes(text));
  return buffer;
}

const auto kAll = [](std::size_t) { return true; };

}  // namespace

TEST_CASE("the last transaction is found however much WAL without one follows") {
  Random random(seed());
  for (int round = 0; round < rounds(200); ++round) {
    // A commit somewhere, at times in two segments, before and after it records of other kinds.
    std::vector<std::string> records;
    const std::uint64_t before = below(random, 400);
    const std::uint64_t after = below(random, 3000);
    for (std::uint64_t i = 0; i < before; ++i) records.push_back(filler(20 + below(random, 900)));
    const bool has_commit = below(random, 10) > 0;
    if (has_commit) records.push_back(commit(7, 1'000'000));
    for (std::uint64_t i = 0; i < after; ++i) records.push_back(filler(20 + below(random, 900)));
    std::vector<std::uint64_t> starts;
    const std::string bytes = wal(records, 4 * kSegment, 0xD110, &starts);
    WalStretch stretch;
    stretch.segment_bytes = kSegment;
    stretch.to = Lsn{UINT64_MAX};
    for (std::size_t i = 0; i < bytes.size() / kSegment; ++i)
      stretch.names.push_back(wal_segment_name({1, 4 + i}, kSegment));
    const auto read = [&](const std::string& name) {
      const auto number = parse_wal_segment_name(name, kSegment)->number;
      return buffer_of(std::string_view(bytes).substr((number - 4) * kSegment, kSegment));
    };
    const WalEnd end = find_wal_end(stretch, 1 + below(random, 8), kAll, read);
    INFO("round " << round << ", " << stretch.names.size() << " segments, commit after " << before);
    CHECK(end.last_commit.has_value() == has_commit);
    CHECK((has_commit || end.whole));
    if (!starts.empty()) CHECK(end.last_record == Lsn{starts.back()});
    if (!has_commit) continue;
    const std::uint64_t at = starts[before];
    // Not of the backup itself, and not beyond the end.
    stretch.from = Lsn{at + 1};
    CHECK_FALSE(find_wal_end(stretch, 2, kAll, read).last_commit);
    stretch.from = {};
    stretch.to = Lsn{at};
    CHECK_FALSE(find_wal_end(stretch, 2, kAll, read).last_commit);
  }
}

TEST_CASE("a transaction whose record lies in two segments is found from the end") {
  // Fill a segment up to a few bytes, so that the commit begins in it and ends in the next.
  for (std::size_t less = 24; less < 120; less += 8) {
    std::vector<std::string> records;
    std::vector<std::uint64_t> starts;
    std::string bytes;
    records.push_back(filler(100));
    // Grow the filler until the commit starts just before the boundary.
    while (true) {
      auto tried = records;
      tried.push_back(commit(7, 5));
      starts.clear();
      bytes = wal(tried, 4 * kSegment, 0xD110, &starts);
      if (starts.back() + less >= 5 * kSegment) break;
      records.push_back(filler(40));
    }
    records.push_back(commit(7, 5));
    for (int i = 0; i < 2000; ++i) records.push_back(filler(300));
    bytes = wal(records, 4 * kSegment);
    WalStretch stretch;
    stretch.segment_bytes = kSegment;
    stretch.to = Lsn{UINT64_MAX};
    for (std::size_t i = 0; i < bytes.size() / kSegment; ++i)
      stretch.names.push_back(wal_segment_name({1, 4 + i}, kSegment));
    const auto read = [&](const std::string& name) {
      const auto number = parse_wal_segment_name(name, kSegment)->number;
      return buffer_of(std::string_view(bytes).substr((number - 4) * kSegment, kSegment));
    };
    for (const std::size_t workers : {1U, 3U}) {
      INFO("commit at " << starts.back() << ", " << workers << " workers");
      CHECK(find_wal_end(stretch, workers, kAll, read).last_commit);
    }
  }
}

TEST_CASE("a look that was ended is no answer") {
  std::vector<std::string> records{commit(7, 5)};
  for (int i = 0; i < 2000; ++i) records.push_back(filler(500));
  const std::string bytes = wal(records, 4 * kSegment);
  WalStretch stretch;
  stretch.segment_bytes = kSegment;
  stretch.to = Lsn{UINT64_MAX};
  for (std::size_t i = 0; i < bytes.size() / kSegment; ++i)
    stretch.names.push_back(wal_segment_name({1, 4 + i}, kSegment));
  std::size_t reads = 0;
  const auto read = [&](const std::string& name) {
    ++reads;
    const auto number = parse_wal_segment_name(name, kSegment)->number;
    return buffer_of(std::string_view(bytes).substr((number - 4) * kSegment, kSegment));
  };
  const WalEnd end = find_wal_end(
      stretch, 1, [](std::size_t looked_at) { return looked_at < 3; }, read);
  CHECK_FALSE(end.last_commit);
  CHECK_FALSE(end.whole);
  CHECK(reads == 3);
}
