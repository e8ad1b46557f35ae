#include "engine/wal/page_before.hpp"

#include "support/made_wal.hpp"
#include "support/repository.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

const repo::Cluster kCluster{7412345678901234567, 15};
constexpr std::uint64_t kNumber = 24;  // of the segment that is handed out

std::string name(Timeline timeline, std::uint64_t number = kNumber - 1) {
  return wal_segment_name({timeline, number}, kSegment);
}

/// A segment whose last page says whose it is.
std::string segment_of(char owner) {
  std::string bytes(kSegment, owner);
  const std::uint64_t address = kNumber * kSegment - kPage;
  bytes.replace(kSegment - kPage + 8, sizeof address, reinterpret_cast<const char*>(&address),
                sizeof address);
  return bytes;
}

struct Places {
  MemoryRepository memory;
  TempDir pg_wal;

  void archive(const std::string& file, const std::string& content) {
    const auto codec = compress::make_codec(compress::CodecId::none);
    memory.repository.put_wal("main", kCluster, file, repo::wal_content(as_bytes(content)), *codec);
  }
  void keep(const std::string& file, const std::string& content) const {
    write_file_atomically(pg_wal / file, as_bytes(content));
  }
  void damage(const std::string& file) const {
    for (const std::string& key : keys(*memory.store)) {
      if (key.ends_with(file)) replace(*memory.store, key, "damaged");
    }
  }
  /// Whose page is found before the segment on this timeline.
  char owner(Timeline timeline) {
    const PageBefore before("main", std::span(&memory.repository, 1), kCluster, pg_wal.path());
    postgres::WalHeader header;
    header.page_address = Lsn{kNumber * kSegment};
    header.segment_bytes = kSegment;
    return static_cast<char>(before.read(name(timeline, kNumber), header).bytes().back());
  }
};

/// Timeline 3 left timeline 1 there; timeline 2 is another branch.
std::string history(std::uint64_t left) {
  return format("1\t{}\tno recovery target specified\n", to_string(Lsn{left}));
}

constexpr std::uint64_t kPageStart = kNumber * kSegment - kPage;

}  // namespace

TEST_CASE("the page before is that of the branch which recovery follows") {
  Places places;
  places.archive(name(1), segment_of('1'));
  places.archive(name(2), segment_of('2'));
  SECTION("the ancestor wrote it") {
    places.archive("00000003.history", history(kNumber * kSegment + 100));
    CHECK(places.owner(3) == '1');
  }
  SECTION("the history is where the server keeps it") {
    places.keep("00000003.history", history(kNumber * kSegment));
    CHECK(places.owner(3) == '1');
  }
  SECTION("the timeline itself wrote its end, and the ancestor another one") {
    places.archive("00000003.history", history(kPageStart - 5 * kPage));
    CHECK_THROWS_WITH(places.owner(3), Catch::Contains("neither in pg_wal nor in the archive"));
    places.archive(name(3), segment_of('3'));
    CHECK(places.owner(3) == '3');
  }
  SECTION("without a history there are no ancestors") {
    CHECK_THROWS_AS(places.owner(3), Error);
    CHECK(places.owner(2) == '2');
    CHECK(places.owner(1) == '1');
  }
}

TEST_CASE("what recovery read comes before any archive") {
  Places places;
  places.archive(name(3), segment_of('3'));
  places.archive("00000003.history", history(kPageStart - 5 * kPage));
  places.keep(name(1), segment_of('p'));
  CHECK(places.owner(3) == 'p');
  places.damage(name(3));
  CHECK(places.owner(3) == 'p');
  // Another position's, as of a file that waits to be used again.
  places.keep(name(1), std::string(kSegment, 'p'));
  CHECK_THROWS_AS(places.owner(3), DamagedError);
}
