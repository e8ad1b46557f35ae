#include "support/random.hpp"

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/wal.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;

TEST_CASE("LSNs are written as PostgreSQL writes them") {
  struct Row {
    std::uint64_t value;
    const char* text;
  };
  for (const Row& row : {Row{0, "0/0"}, Row{0x3000028, "0/3000028"}, Row{0xffffffff, "0/FFFFFFFF"},
                         Row{0x100000000, "1/0"}, Row{0x16b3748ab00ull, "16B/3748AB00"},
                         Row{UINT64_MAX, "FFFFFFFF/FFFFFFFF"}}) {
    CHECK(to_string(Lsn{row.value}) == row.text);
    CHECK(parse_lsn(row.text) == Lsn{row.value});
  }
  CHECK(parse_lsn("16b/3748ab00") == Lsn{0x16b3748ab00ull});
  CHECK(parse_lsn("0/00000001") == Lsn{1});
  for (const char* text : {"", "/", "0/", "/0", "0", "0/0/0", "0/100000000", "100000000/0", "g/0",
                           "0/-1", " 0/0", "0/0 ", "0x0/0"}) {
    INFO(text);
    CHECK_FALSE(parse_lsn(text));
  }
  CHECK(Lsn{1} < Lsn{2});
}

TEST_CASE("names of WAL segments, of every segment size") {
  struct Row {
    std::uint64_t segment_bytes;
    Timeline timeline;
    std::uint64_t number;
    const char* name;
  };
  for (const Row& row : {
           Row{16 * kMiB, 1, 0, "000000010000000000000000"},
           Row{16 * kMiB, 1, 1, "000000010000000000000001"},
           Row{16 * kMiB, 1, 255, "0000000100000000000000FF"},
           Row{16 * kMiB, 1, 256, "000000010000000100000000"},
           Row{16 * kMiB, 0x1a, 0x12345678ff, "0000001A12345678000000FF"},
           Row{16 * kMiB, UINT32_MAX, 0xffffffffff, "FFFFFFFFFFFFFFFF000000FF"},
           Row{kMiB, 1, 4095, "000000010000000000000FFF"},
           Row{kMiB, 1, 4096, "000000010000000100000000"},
           Row{64 * kMiB, 2, 63, "00000002000000000000003F"},
           Row{64 * kMiB, 2, 64, "000000020000000100000000"},
           Row{kGiB, 3, 3, "000000030000000000000003"},
           Row{kGiB, 3, 4, "000000030000000100000000"},
       }) {
    INFO(row.name);
    const WalSegment segment{row.timeline, row.number};
    CHECK(wal_segment_name(segment, row.segment_bytes) == row.name);
    CHECK(parse_wal_segment_name(row.name, row.segment_bytes) == segment);
  }
}

TEST_CASE("names that no segment of this size has") {
  struct Row {
    std::uint64_t segment_bytes;
    const char* name;
  };
  for (const Row& row :
       {Row{16 * kMiB, "000000010000000000000100"}, Row{kMiB, "000000010000000000001000"},
        Row{64 * kMiB, "000000010000000000000040"}, Row{kGiB, "000000010000000000000004"},
        Row{16 * kMiB, ""}, Row{16 * kMiB, "00000001000000000000000"},
        Row{16 * kMiB, "0000000100000000000000001"}, Row{16 * kMiB, "00000001000000000000000a"},
        Row{16 * kMiB, "00000001000000000000000G"},
        Row{16 * kMiB, "000000010000000000000001.partial"}}) {
    INFO(row.name);
    CHECK_FALSE(parse_wal_segment_name(row.name, row.segment_bytes));
  }
}

TEST_CASE("the segment of a byte, and of the byte before it") {
  for (std::uint64_t bytes = kMiB; bytes <= kGiB; bytes *= 2) {
    INFO("segments of " << bytes);
    CHECK(segment_of(Lsn{0}, 1, bytes) == WalSegment{1, 0});
    CHECK(segment_of(Lsn{bytes - 1}, 1, bytes) == WalSegment{1, 0});
    CHECK(segment_of(Lsn{bytes}, 1, bytes) == WalSegment{1, 1});
    CHECK(segment_before(Lsn{bytes - 1}, 1, bytes) == WalSegment{1, 0});
    CHECK(segment_before(Lsn{bytes}, 1, bytes) == WalSegment{1, 0});  // at the boundary
    CHECK(segment_before(Lsn{bytes + 1}, 1, bytes) == WalSegment{1, 1});
    CHECK(segment_before(Lsn{7 * bytes}, 9, bytes) == WalSegment{9, 6});
    CHECK(segment_of(Lsn{7 * bytes}, 9, bytes) == WalSegment{9, 7});
  }
}

TEST_CASE("any segment comes back from its name", "[property]") {
  test::Random random(test::seed());
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t bytes = kMiB << test::below(random, 11);
    const WalSegment segment = segment_of(Lsn{random() >> test::below(random, 40)},
                                          static_cast<Timeline>(random()), bytes);
    const std::string name = wal_segment_name(segment, bytes);
    if (parse_wal_segment_name(name, bytes) != segment)
      FAIL("seed " << test::seed() << ": " << name);
  }
  SUCCEED();
}

TEST_CASE("what PostgreSQL hands to the archiver") {
  const auto is = [](std::string_view name, WalFileKind kind) {
    INFO(name);
    CHECK(wal_file_kind(name) == kind);
  };
  is("000000010000000000000001", WalFileKind::segment);
  is("000000010000000000000001.partial", WalFileKind::partial);
  is("000000010000000000000001.00000028.backup", WalFileKind::backup_history);
  is("0000000A.history", WalFileKind::timeline_history);
  for (const char* name : {"",
                           ".",
                           "..",
                           "00000001",
                           "00000001.partial",
                           "0000000a.history",
                           "0000001.history",
                           "000000010.history",
                           "00000001.history.ready",
                           "00000001.history~",
                           "000000010000000000000001.",
                           "000000010000000000000001.history",
                           "000000010000000000000001.0000028.backup",
                           "000000010000000000000001.0000002g.backup",
                           "000000010000000000000001.00000028.backup2",
                           "000000010000000000000001.backup",
                           "00000001000000000000000",
                           "archive_status",
                           "../000000010000000000000001",
                           "000000010000000000000001/x",
                           "00000001000000000000000a",
                           "000000010000000000000001.PARTIAL",
                           "xlogtemp.123"}) {
    INFO(name);
    CHECK_FALSE(wal_file_kind(name));
  }
}
