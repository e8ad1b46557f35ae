#include "engine/wal/guard.hpp"

#include "support/made_wal.hpp"
#include "support/random.hpp"

#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

constexpr std::uint64_t kStart = 0x3000000;

/// Hands out segment number `number` in pieces of `piece` bytes, as archive-get does.
struct HandedOut {
  std::optional<postgres::CreatedTablespace> forbidden;
  std::uint64_t harmless_bytes = 0;
  bool asked_for_before = false;

  HandedOut(const std::string& bytes, std::size_t number, const WalGuard& guard,
            std::size_t piece = kSegment) {
    GuardedSegment segment(guard, Lsn{kStart + number * kSegment});
    const std::size_t from = number * kSegment;
    for (std::size_t at = from; at < from + kSegment; at += piece) {
      segment.add(as_bytes(bytes).subspan(at, std::min(piece, from + kSegment - at)), [&] {
        asked_for_before = true;
        Buffer page;
        if (number > 0) page.append(as_bytes(bytes).subspan(from - kPage, kPage));
        return page;
      });
    }
    forbidden = segment.forbidden();
    harmless_bytes = segment.harmless_bytes();
  }
};

}  // namespace

TEST_CASE("places are allowed by name, however it is spelt") {
  CHECK(is_allowed("/srv/a", {"/srv/b", "/srv//a/"}));
  CHECK(is_allowed("/srv/a", {"/srv/x/../a"}));
  CHECK_FALSE(is_allowed("/srv/a", {}));
  CHECK_FALSE(is_allowed("/srv/ab", {"/srv/a"}));
  CHECK_FALSE(is_allowed("/srv/a/b", {"/srv/a"}));
}

TEST_CASE("a guard forbids what was not allowed, from where recovery begins") {
  std::vector<std::uint64_t> starts;
  const std::string bytes =
      wal({create_tablespace(1, "/srv/before"), filler(10), create_tablespace(2, "/srv/ours"),
           create_tablespace(3, ""), create_tablespace(4, "/srv/theirs"), filler(9)},
          kStart, 0xD110, &starts);
  const WalGuard guard{Lsn{starts[1]}, {}, {"/srv/ours"}};
  const HandedOut found(bytes, 0, guard);
  REQUIRE(found.forbidden);
  CHECK(found.forbidden->location == "/srv/theirs");
  CHECK(found.forbidden->start == Lsn{starts[4]});
  CHECK(found.harmless_bytes == starts[4] - kStart);
  CHECK_FALSE(HandedOut(bytes, 0, {Lsn{starts[5]}, {}, {}}).forbidden);
  CHECK_FALSE(HandedOut(bytes, 0, {Lsn{starts[1]}, {}, {"/srv/ours", "/srv/theirs"}}).forbidden);
}

TEST_CASE("wherever WAL is cut, exactly one segment that is handed out alone is forbidden") {
  Random random(seed());
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    std::vector<std::string> records;
    std::vector<std::uint64_t> starts;
    const std::size_t before = below(random, 30);
    for (std::size_t i = 0; i < before; ++i) records.push_back(filler(below(random, 9000)));
    const std::string location = "/" + std::string(1 + below(random, 1000), 'd');
    const std::string made = create_tablespace(7, location);
    records.push_back(made);
    for (std::size_t i = 0; i < 30; ++i) records.push_back(filler(below(random, 9000)));
    starts.clear();
    std::string bytes = wal(records, kStart, 0xD110, &starts);
    if (below(random, 2) == 0) {  // close to the end of a segment
      const std::uint64_t at = starts[before] - kStart;
      const std::uint64_t room = kSegment - at % kSegment;
      const std::uint64_t near = below(random, 1300);
      if (room > near + 9000) {
        records.insert(records.begin(), filler(room - near - room / kPage * 24 - 40));
        starts.clear();
        bytes = wal(records, kStart, 0xD110, &starts);
      }
    }
    const WalGuard guard{Lsn{kStart}, {}, {}};
    std::size_t forbidden = 0;
    for (std::size_t number = 0; number * kSegment < bytes.size(); ++number) {
      const std::size_t piece = 1 + below(random, 2 * kSegment);
      const HandedOut found(bytes, number, guard, piece);
      if (!found.forbidden) continue;
      ++forbidden;
      CHECK(found.forbidden->location == location);
    }
    CHECK(forbidden == 1);
  }
}

TEST_CASE("the segment before is asked for only when its record may go on") {
  const std::string bytes = wal({filler(kSegment + 3 * kPage), filler(100)}, kStart);
  CHECK_FALSE(HandedOut(bytes, 0, {Lsn{kStart}, {}, {}}).asked_for_before);
  CHECK_FALSE(HandedOut(bytes, 1, {Lsn{kStart}, {}, {}}).asked_for_before);  // too long for one
}

TEST_CASE("what runs into the segment that recovery begins in is not asked for") {
  const std::string bytes =
      wal({filler(kSegment - 300), create_tablespace(1, "/" + std::string(900, 'd')), filler(100)},
          kStart);
  const Lsn second{kStart + kSegment};
  CHECK(HandedOut(bytes, 1, {Lsn{kStart}, {}, {}}).asked_for_before);
  CHECK_FALSE(HandedOut(bytes, 1, {second, {}, {}}).asked_for_before);
  CHECK_FALSE(HandedOut(bytes, 1, {Lsn{second.value + kPage + 40}, {}, {}}).asked_for_before);
}
