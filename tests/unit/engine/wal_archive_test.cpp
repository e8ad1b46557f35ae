#include "engine/wal_archive.hpp"

#include <pgcairn/common/text.hpp>

#include <set>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

constexpr std::uint64_t kBytes = kDefaultWalSegmentBytes;

std::string name(Timeline timeline, std::uint64_t number) {
  return wal_segment_name({timeline, number}, kBytes);
}

/// "1:3-5 2:6-7 end 0/8000000 missing ..." for what an archive of these files reaches.
std::string trace(const std::set<std::string>& there, const std::vector<TimelineSpan>& path,
                  const std::set<std::string>& offsite = {}) {
  const WalReach reach =
      trace_wal(path, {path.front().timeline, 3}, kBytes, [&](const std::string& file) {
        std::vector<std::string> holders;
        if (there.contains(file)) holders.emplace_back("local");
        if (offsite.contains(file)) holders.emplace_back("offsite");
        return holders;
      });
  std::string text;
  for (const WalRange& range : reach.ranges) {
    text += format("{}-{}({})", range.first, range.last, range.segments);
    for (const std::string& repository : range.repositories) text += " " + repository;
    text += "; ";
  }
  CHECK(segments_of(reach, kBytes).size() ==
        static_cast<std::size_t>(reach.end.value == 0 ? 0 : (reach.end.value - 1) / kBytes - 2));
  return text + format("end {} missing {}", to_string(reach.end), reach.missing);
}

}  // namespace

TEST_CASE("WAL is followed to the first segment that is missing") {
  const std::vector<TimelineSpan> one = {{1, {}, {}}};
  CHECK(trace({}, one) == "end 0/0 missing 000000010000000000000003");
  CHECK(trace({name(1, 3), name(1, 4), name(1, 6)}, one) ==
        "000000010000000000000003-000000010000000000000004(2) local; end 0/5000000 missing "
        "000000010000000000000005");
  CHECK(trace({name(1, 3), name(1, 4)}, one, {name(1, 4), name(1, 5)}) ==
        "000000010000000000000003-000000010000000000000003(1) local; "
        "000000010000000000000004-000000010000000000000004(1) local offsite; "
        "000000010000000000000005-000000010000000000000005(1) offsite; end 0/6000000 missing "
        "000000010000000000000006");
}

TEST_CASE("the newest timeline that has begun gives the segment") {
  const std::vector<TimelineSpan> two = {{1, {}, Lsn{0x4800000}}, {2, Lsn{0x4800000}, {}}};
  CHECK(trace({name(1, 3), name(2, 4), name(2, 5)}, two) ==
        "000000010000000000000003-000000010000000000000003(1) local; "
        "000000020000000000000004-000000020000000000000005(2) local; end 0/6000000 missing "
        "000000020000000000000006");
  // What the old timeline wrote after the switch is not on the way.
  CHECK(trace({name(1, 3), name(1, 4), name(1, 5)}, two) ==
        "000000010000000000000003-000000010000000000000004(2) local; end 0/4800000 missing "
        "000000020000000000000004");
  // Staying on the old timeline it is.
  CHECK(trace({name(1, 3), name(1, 4), name(1, 5)}, {{1, {}, {}}}) ==
        "000000010000000000000003-000000010000000000000005(3) local; end 0/6000000 missing "
        "000000010000000000000006");
  // A switch at the very end of a segment begins the next one.
  CHECK(trace({name(1, 3), name(2, 4)}, {{1, {}, Lsn{0x4000000}}, {2, Lsn{0x4000000}, {}}}) ==
        "000000010000000000000003-000000010000000000000003(1) local; "
        "000000020000000000000004-000000020000000000000004(1) local; end 0/5000000 missing "
        "000000020000000000000005");
}
