#include "engine/wal/hole.hpp"

#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>
#include <support/made_stanza.hpp>
#include <support/random.hpp>
#include <support/repository.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

constexpr std::uint64_t kBytes = test::MadeStanza::kSegmentBytes;

struct Archive {
  test::MemoryRepository memory;
  test::MadeStanza stanza{memory.repository};

  std::string after(Timeline timeline, std::uint64_t segment) {
    return wal_after({&memory.repository, 1}, "main", test::MadeStanza::kCluster,
                     stanza.wal_name(timeline, segment), kBytes);
  }
};

}  // namespace

TEST_CASE("a later segment of the timeline shows a hole, however far off") {
  Archive archive;
  for (const std::uint64_t segment : {3, 4, 6}) archive.stanza.put_wal(1, segment);
  CHECK(archive.after(1, 5) == archive.stanza.wal_name(1, 6));
  CHECK(archive.after(1, 7).empty());
  archive.stanza.put_wal(1, 0x305);  // another folder, and one between
  archive.stanza.put_wal(1, 0x1FF, ".partial");
  CHECK(archive.after(1, 7) == archive.stanza.wal_name(1, 0x305));
  CHECK(archive.after(1, 0x305).empty());
}

TEST_CASE("what a timeline did not write is no hole in it") {
  Archive archive;
  for (const std::uint64_t segment : {3, 4}) archive.stanza.put_wal(1, segment);
  archive.stanza.put_wal(1, 5, ".partial");
  archive.stanza.put_wal(1, 4, ".00000028.backup");
  for (const std::uint64_t segment : {5, 6, 7}) archive.stanza.put_wal(2, segment);
  archive.stanza.put_history(2, {{1, 5}});
  CHECK(archive.after(1, 5).empty());  // timeline 2 has it
  CHECK(archive.after(1, 6).empty());
  CHECK(archive.after(2, 8).empty());
  // A standby that follows it asks ahead.
  CHECK(archive.after(2, 9).empty());
}

TEST_CASE("the history of a later timeline shows how far its ancestors went") {
  Archive archive;
  archive.stanza.put_wal(1, 3);
  archive.stanza.put_history(2, {{1, 5}});
  CHECK(archive.after(1, 4) == "00000002.history");
  CHECK(archive.after(1, 5).empty());
  // Of a timeline that comes later, and with numbers between that nobody archived.
  archive.stanza.put_wal(7, 9);
  archive.stanza.put_history(7, {{1, 5}, {2, 8}});
  CHECK(archive.after(2, 7) == "00000007.history");
  CHECK(archive.after(2, 8).empty());
}

TEST_CASE("of a log with a hole at random, each segment before its end is known to be missing") {
  test::Random random(test::seed());
  Archive archive;
  constexpr std::uint64_t last = 0x220;
  const std::uint64_t hole = 3 + test::below(random, last - 3);
  for (std::uint64_t segment = 3; segment <= last; ++segment) {
    if (segment != hole) archive.stanza.put_wal(1, segment);
  }
  INFO("hole " << hole);
  CHECK(archive.after(1, hole) == archive.stanza.wal_name(1, hole + 1));
  CHECK(archive.after(1, last + 1).empty());
}

TEST_CASE("a repository that lags behind does not hide what another one has") {
  test::MemoryRepository lagging;
  test::MemoryRepository ahead;
  test::MadeStanza first(lagging.repository);
  test::MadeStanza second(ahead.repository);
  first.put_wal(1, 3);
  second.put_wal(1, 6);
  std::vector<repo::Repository> both;
  both.push_back(lagging.client());
  both.push_back(ahead.client());
  for (repo::Repository& repository : both) repository.open();
  CHECK(wal_after(both, "main", test::MadeStanza::kCluster, first.wal_name(1, 5), kBytes) ==
        first.wal_name(1, 6));
}
