#include "engine/wal/compare.hpp"

#include "support/made_wal.hpp"
#include "support/random.hpp"

#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

constexpr std::uint64_t kStart = 0x3000000;

std::string first_segment(const std::string& bytes) {
  return bytes.substr(0, kSegment);
}

/// Records of random sizes that fill about `bytes`.
std::vector<std::string> some_records(Random& random, std::size_t bytes, const char what) {
  std::vector<std::string> records;
  for (std::size_t used = 0; used < bytes;) {
    const std::size_t size = below(random, 8) == 0 ? below(random, 3 * kPage) : below(random, 300);
    records.push_back(record(10, 0, 5, std::string(size, what)));
    used += records.back().size();
  }
  return records;
}

/// What an earlier use of the file left behind `end`: whole pages, or from the record's end on.
std::string with_tail(std::string segment, std::size_t end, const std::string& old, bool in_page) {
  const std::size_t from = in_page ? end : (end + kPage) / kPage * kPage;
  if (from >= segment.size()) return segment;
  return segment.replace(from, std::string::npos, old, from, std::string::npos);
}

WalComparison compare(const std::string& ours, const std::string& archived, Random& random) {
  WalComparer comparer(Lsn{kStart});
  for (std::size_t at = 0; at < ours.size();) {
    const std::size_t count = std::min<std::size_t>(1 + below(random, 20000), ours.size() - at);
    comparer.add(as_bytes(ours).subspan(at, count), as_bytes(archived).subspan(at, count));
    at += count;
  }
  return comparer.finish();
}

}  // namespace

TEST_CASE("segments that differ behind the end of their WAL have the same records") {
  Random random(seed());
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> records =
        some_records(random, 1 + below(random, kSegment * 3 / 4), 'a');
    if (below(random, 2) == 0) records.push_back(record(0, 0x40, 0, ""));  // a switch
    std::vector<std::uint64_t> starts;
    const std::string segment = first_segment(sealed_wal(records, kStart, &starts));
    const std::size_t begin = starts.back() - kStart;
    if (begin + 64 > kSegment) continue;
    postgres::WalEndFinder finder(Lsn{kStart});
    finder.add(as_bytes(segment));
    const postgres::WalEnd end = finder.finish();
    CHECK_FALSE(end.goes_on);
    const std::size_t at = end.records.value - kStart;
    if (at == kSegment) continue;
    CHECK(at > begin);
    // Pages of the old use name other places, and so do its records' links.
    const std::string old =
        first_segment(sealed_wal(some_records(random, kSegment, 'o'), kStart - 64 * kSegment));
    const std::string one = with_tail(segment, at, old, below(random, 2) == 0);
    const std::string other =
        with_tail(segment, at, std::string(kSegment, 'x'), below(random, 2) == 0);
    const WalComparison same = compare(one, other, random);
    CHECK((same.relation == WalRelation::same_records || one == other));
    CHECK((one == other || same.ours_end == end.records));
    CHECK(same.archived_has_all());
    CHECK(compare(one, one, random).relation == WalRelation::same);
    // Any byte of the WAL itself makes them two.
    std::string changed = other;
    changed[40 + below(random, at - 40)] ^= static_cast<char>(1 + below(random, 255));
    CHECK_FALSE(compare(one, changed, random).relation == WalRelation::same_records);
  }
}

TEST_CASE("a segment that holds more WAL than the other is told from one of another life") {
  Random random(seed());
  for (int round = 0; round < 300; ++round) {
    const auto common = some_records(random, 1 + below(random, kSegment / 2), 'a');
    auto more = common;
    auto others = common;
    for (auto& one : some_records(random, 1 + below(random, kSegment), 'b')) more.push_back(one);
    for (auto& one : some_records(random, 1 + below(random, kSegment), 'c')) others.push_back(one);
    std::vector<std::uint64_t> starts;
    const std::string shorter = first_segment(sealed_wal(common, kStart, &starts));
    const std::string longer = first_segment(sealed_wal(more, kStart));
    const std::string other = first_segment(sealed_wal(others, kStart));
    if (starts.back() - kStart + 64 > kSegment) continue;
    CHECK(compare(shorter, longer, random).relation == WalRelation::ours_is_part);
    CHECK(compare(shorter, longer, random).archived_has_all());
    const WalComparison ahead = compare(longer, shorter, random);
    CHECK(ahead.relation == WalRelation::ours_has_more);
    CHECK_FALSE(ahead.archived_has_all());
    CHECK(ahead.archived_end < ahead.ours_end);
    const WalComparison parted = compare(longer, other, random);
    CHECK(parted.relation == WalRelation::parted);
    CHECK(parted.differ_at >= ahead.archived_end);
  }
}

TEST_CASE("what is not understood is never taken for a tail") {
  Random random(seed());
  const std::string whole =
      first_segment(sealed_wal(some_records(random, 2 * kSegment, 'a'), kStart));
  for (int round = 0; round < 200; ++round) {
    // A damaged record, and WAL of this very segment on pages behind it.
    std::string damaged = whole;
    const std::size_t at = 40 + below(random, kSegment - 2 * kPage);
    damaged[at] ^= static_cast<char>(1 + below(random, 255));
    std::string also = damaged;
    also[kSegment - 1 - below(random, kPage / 2)] ^= 1;
    // The damage may be in padding, which no checksum covers: then only the other byte ends the
    // WAL.
    const WalRelation relation = compare(damaged, also, random).relation;
    CHECK((relation == WalRelation::parted || relation == WalRelation::ours_has_more));
    CHECK_FALSE(compare(whole, damaged, random).archived_has_all());
  }
  // A damaged record that goes on to the last page, where it ends, or beyond it.
  for (const std::size_t length : {kPage, 2 * kPage, 3 * kPage}) {
    std::string wide = first_segment(
        sealed_wal({record(10, 0, 5, std::string(kSegment - kPage - length, 'a')),
                    record(10, 0, 5, std::string(length, 'b')), record(10, 0, 5, "c")},
                   kStart));
    for (const std::size_t at : {wide.find('b') - 16, wide.find('b') + 9}) {
      std::string damaged = wide;
      damaged[at] ^= 1;  // in the link to the record before; in what it holds
      std::string also = damaged;
      also.back() ^= 1;
      CHECK(compare(damaged, also, random).relation == WalRelation::parted);
    }
  }
  const std::string zeros(kSegment, '\0');
  const std::string noise(kSegment, 'x');
  CHECK(compare(zeros, noise, random).relation == WalRelation::parted);
  CHECK(compare(whole, zeros, random).relation == WalRelation::parted);
}

TEST_CASE(
    "lives that parted at the end of a page are not said to differ in the next page's header") {
  Random random(seed());
  const std::string ours =
      first_segment(sealed_wal(some_records(random, kSegment * 3 / 4, 'a'), kStart));
  struct Example {
    std::size_t at;
    std::uint64_t parted;
  };
  for (const Example& example :
       {Example{2, 0}, Example{39, 0}, Example{40, 40}, Example{kPage + 2, kPage},
        Example{kPage + 23, kPage}, Example{kPage + 24, kPage + 24}}) {
    std::string other = ours;
    other[example.at] = static_cast<char>(other[example.at] ^ 1);
    CAPTURE(example.at);
    CHECK(compare(ours, other, random).differ_at == Lsn{kStart + example.parted});
  }
}
