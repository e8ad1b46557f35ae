#include "support/random.hpp"
#include "support/says.hpp"
#include "support/summary_file.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/wal_summary.hpp>

#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace pgcairn::postgres {
namespace {

// 00000001000000002084D0080000000020879F58.summary of a real server (17.11): a tablespace, a table
// in it, and a database moved to another tablespace.
std::string real_file() {
  const auto bytes = parse_hex(
                         "7b132b657f06000005000000df04000000000000ffffffff0100000001000e00"
                         "7f06000005000000e104000000000000ffffffff0100000001003700"
                         "7f06000005000000eb04000000000000ffffffff0100000001000500"
                         "7f06000005000000eb04000002000000ffffffff0100000001000000"
                         "7f06000005000000300a000000000000ffffffff0100000001000c00"
                         "7f06000005000000620a000000000000ffffffff0100000001000f00"
                         "7f06000005000000630a000000000000ffffffff0100000001000a00"
                         "7f06000005000000660a000000000000ffffffff0100000001000200"
                         "7f06000005000000670a000000000000ffffffff0100000001000200"
                         "7f06000005000000710a000000000000ffffffff010000000200040009007f06"
                         "000005000000720a000000000000ffffffff01000000020007000500"
                         "7f060000050000008f0a000000000000ffffffff0100000001000200"
                         "7f06000005000000900a000000000000ffffffff010000000200020004007f06"
                         "0000050000007f0d000000000000ffffffff0100000001000100"
                         "7f0600003e400000000000000000000000000000000000008006000000000000"
                         "bd04000000000000ffffffff010000000100000080060000"
                         "00000000bd04000002000000ffffffff0100000001000000"
                         "8006000000000000890a000000000000ffffffff010000000100010080060000"
                         "000000008a0a000000000000ffffffff01000000010001004040000005000000"
                         "4140000000000000000000000100000005000000010002000300040000000000"
                         "00000000000000000000000000000000000000001316a818")
                         .value();
  return std::string(as_text(bytes));
}

// What pg_wal_summary_contents() says of it: space/database/relfilenode/fork, then "=length" for a
// limit and block numbers.
constexpr std::string_view kRealContents =
    "1663/5/1247/0 14; 1663/5/1249/0 55; 1663/5/1259/0 5; 1663/5/1259/2 0; 1663/5/2608/0 12; "
    "1663/5/2658/0 15; 1663/5/2659/0 10; 1663/5/2662/0 2; 1663/5/2663/0 2; 1663/5/2673/0 4 9; "
    "1663/5/2674/0 7 5; 1663/5/2703/0 2; 1663/5/2704/0 2 4; 1663/5/3455/0 1; 1663/16446/0/0 =0; "
    "1664/0/1213/0 0; 1664/0/1213/2 0; 1664/0/2697/0 1; 1664/0/2698/0 1; "
    "16448/5/16449/0 =0 0 1 2 3 4; ";

std::string contents(const std::string& bytes) {
  std::string text;
  parse_wal_summary(as_bytes(bytes), "x", [&](const SummaryEntry& entry) {
    const RelationKey& key = entry.relation;
    text += format("{}/{}/{}/{}", key.space, key.database, key.relfilenode, entry.fork);
    if (entry.limit != kNoLimit) text += format(" ={}", entry.limit);
    for (const SummaryChunk& chunk : entry.chunks) {
      const std::uint64_t first = std::uint64_t{chunk.number} * kSummaryChunkBlocks;
      if (chunk.is_bitmap) {
        for (std::uint32_t bit = 0; bit < kSummaryChunkBlocks; ++bit) {
          const auto byte = std::to_integer<unsigned>(chunk.data[bit / 8]);
          if ((byte >> (bit % 8) & 1u) != 0) text += format(" {}", first + bit);
        }
        continue;
      }
      for (std::size_t at = 0; at < chunk.data.size(); at += 2)
        text += format(" {}", first + load_le<std::uint16_t>(chunk.data.data() + at));
    }
    text += "; ";
  });
  return text;
}

constexpr RelationKey kTable{1663, 5, 16384};

// A file whose one entry says `chunks` and is followed by `rest`; then the end.
std::string crafted(std::uint32_t fork, std::uint32_t chunks, const std::string& rest) {
  std::string bytes = test::SummaryWriter().bytes().substr(0, 4);
  for (const std::uint32_t word : {1663u, 5u, 16384u, fork, kNoLimit, chunks}) {
    std::byte raw[4];
    store_le(raw, word);
    bytes += as_text(raw);
  }
  return test::SummaryWriter::sealed(bytes + rest + std::string(24, '\0'));
}

}  // namespace

TEST_CASE("a summary that a server wrote is read as the server reads it", "[postgres][summary]") {
  CHECK(contents(real_file()) == kRealContents);
}

TEST_CASE("chunks are offsets or bitmaps, and empty ones are passed over", "[postgres][summary]") {
  test::SummaryWriter writer;
  std::string expected = "1663/5/16384/0 =300000";
  const auto mark = [&](std::uint32_t block) {
    writer.mark(kTable, block);
    expected += format(" {}", block);
  };
  writer.limit(kTable, 300'000);
  for (std::uint32_t i = 0; i < 4095; ++i) mark(i * 16);         // offsets
  for (std::uint32_t i = 0; i < 4096; ++i) mark(65536 + i * 2);  // a bitmap; then nothing
  mark(3 * 65536 + 65535);
  CHECK(contents(writer.bytes()) == expected + "; ");
}

TEST_CASE("the summary of WAL that changed nothing", "[postgres][summary]") {
  // 32 bytes of a real server.
  const auto bytes =
      parse_hex("7b132b65000000000000000000000000000000000000000000000000b871164b").value();
  CHECK(contents(std::string(as_text(bytes))).empty());
  CHECK(test::SummaryWriter().bytes() == as_text(bytes));
}

TEST_CASE("a summary with any bit flipped is refused", "[postgres][summary]") {
  const std::string good = real_file();
  std::size_t accepted = 0;
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    accepted += test::error_of<DamagedError>([&] { contents(bad); }).empty() ? 1u : 0u;
  }
  CHECK(accepted == 0);
}

TEST_CASE("a summary cut short or with more behind it is refused", "[postgres][summary]") {
  const std::string good = real_file();
  for (std::size_t size = 0; size < good.size(); ++size) {
    const std::string cut = good.substr(0, size);
    if (test::error_of<DamagedError>([&] { contents(cut); }).empty()) FAIL(size << " bytes");
  }
  CHECK_THAT(test::error_of<DamagedError>([&] { contents(good + "more"); }),
             test::Says({"damaged \"x\"", "wrong checksum"}));
}

TEST_CASE("what a right checksum hides is found in the structure", "[postgres][summary]") {
  const std::string good = real_file();
  const std::string body = good.substr(0, good.size() - 4);
  SECTION("every byte, every cut: never read beyond the end") {
    for (std::size_t at = 0; at < body.size(); ++at) {
      for (const int value : {0x00, 0x01, 0x10, 0x7f, 0xff}) {
        std::string bad = body;
        bad[at] = static_cast<char>(value);
        test::error_of<DamagedError>([&] { contents(test::SummaryWriter::sealed(bad)); });
      }
      const std::string cut = test::SummaryWriter::sealed(body.substr(0, at));
      if (test::error_of<DamagedError>([&] { contents(cut); }).empty()) FAIL(at << " bytes");
    }
  }
  SECTION("bytes behind the end") {
    CHECK_THAT(test::error_of<DamagedError>(
                   [&] { contents(test::SummaryWriter::sealed(body + std::string(24, '\0'))); }),
               test::Says({"at offset 598", "bytes follow"}));
  }
  SECTION("a fork that does not exist") {
    CHECK_THAT(test::error_of<DamagedError>([] { contents(crafted(4, 0, "")); }),
               test::Says({"at offset 4", "unknown fork 4"}));
  }
  SECTION("more chunks than there are block numbers") {
    CHECK_THAT(test::error_of<DamagedError>([] { contents(crafted(0, 65537, "")); }),
               test::Says({"65537 chunks"}));
    CHECK_THAT(test::error_of<DamagedError>([] { contents(crafted(0, 65536, "")); }),
               test::Says({"ends in the middle"}));
  }
  SECTION("more in a chunk than a bitmap") {
    CHECK_THAT(test::error_of<DamagedError>([] {
                 contents(crafted(0, 1, {"\x01\x10", 2}));
               }),
               test::Says({"4097 entries in a chunk"}));
  }
  SECTION("another magic") {
    std::string other = body;
    other[0] = 'x';
    CHECK_THAT(test::error_of<DamagedError>([&] { contents(test::SummaryWriter::sealed(other)); }),
               test::Says({"at offset 0", "not a WAL summary"}));
  }
}

TEST_CASE("names of summaries", "[postgres][summary]") {
  const std::string name = "0000000A00000001000000280000000A00000100.summary";
  const auto range = parse_wal_summary_name(name);
  REQUIRE(range);
  CHECK(range->timeline == 10);
  CHECK(to_string(range->begin) == "1/28");
  CHECK(to_string(range->end) == "A/100");
  CHECK(wal_summary_name(*range) == name);

  const std::string bad = GENERATE(as<std::string>{}, "", "temp.summary",
                                   "0000000a00000001000000280000000A00000100.summary",
                                   "0000000A00000001000000280000000A00000100.summary2",
                                   "0000000A00000001000000280000000A00000100.Summary",
                                   "0000000A00000001000000280000000A000001000.summary",
                                   "0000000A00000001000000280000000A0000010G.summary",
                                   "0000000A00000001000000280000000100000028.summary",
                                   "0000000A00000002000000280000000100000028.summary",
                                   "0000000000000001000000280000000A00000100.summary");
  CHECK_FALSE(parse_wal_summary_name(bad));
}

TEST_CASE("summaries cover ranges of WAL, or a gap is told", "[postgres][summary]") {
  using Ranges = std::vector<TimelineRange>;
  const auto range = [](Timeline timeline, std::uint64_t begin, std::uint64_t end) {
    return TimelineRange{timeline, Lsn{begin}, Lsn{end}};
  };
  const auto [files, ranges, used, missing] =
      GENERATE_COPY(table<Ranges, Ranges, std::size_t, Ranges>({
          // exactly; more than asked for; in any order
          {{range(1, 10, 20), range(1, 20, 30)}, {range(1, 10, 30)}, 2, {}},
          {{range(1, 5, 20), range(1, 20, 35)}, {range(1, 10, 30)}, 2, {}},
          {{range(1, 20, 30), range(1, 10, 20)}, {range(1, 10, 30)}, 2, {}},
          // those that only touch the range are of no use
          {{range(1, 1, 10), range(1, 10, 30), range(1, 30, 40)}, {range(1, 10, 30)}, 1, {}},
          // one inside another; the same one twice
          {{range(1, 10, 30), range(1, 12, 14)}, {range(1, 10, 30)}, 2, {}},
          {{range(1, 10, 25), range(1, 10, 20), range(1, 20, 30)}, {range(1, 10, 30)}, 3, {}},
          // nothing asked for
          {{range(1, 10, 30)}, {}, 0, {}},
          // gaps: nothing at all, the beginning, the end, the middle, a byte
          {{}, {range(1, 10, 30)}, 0, {range(1, 10, 30)}},
          {{range(1, 15, 30)}, {range(1, 10, 30)}, 1, {range(1, 10, 15)}},
          {{range(1, 10, 25)}, {range(1, 10, 30)}, 1, {range(1, 25, 30)}},
          {{range(1, 10, 15), range(1, 20, 30)}, {range(1, 10, 30)}, 2, {range(1, 15, 20)}},
          {{range(1, 10, 15), range(1, 16, 30)}, {range(1, 10, 30)}, 2, {range(1, 15, 16)}},
          // the header of a page, where no record is
          {{range(2, 0x500028, 0x500060)}, {range(2, 0x500000, 0x500060)}, 1, {}},
          {{range(2, 0x500029, 0x500060)},
           {range(2, 0x500000, 0x500060)},
           1,
           {range(2, 0x500000, 0x500029)}},
          {{range(1, 0x400028, 0x500000)}, {range(1, 0x400028, 0x500028)}, 1, {}},
          // another timeline's do not count
          {{range(2, 10, 30)}, {range(1, 10, 30)}, 0, {range(1, 10, 30)}},
          {{range(1, 10, 20), range(2, 20, 30)}, {range(1, 10, 20), range(2, 20, 30)}, 2, {}},
          {{range(1, 10, 30), range(2, 25, 30)},
           {range(1, 10, 20), range(2, 20, 30)},
           2,
           {range(2, 20, 25)}},
          {{range(2, 20, 30)}, {range(1, 10, 20), range(2, 20, 30)}, 1, {range(1, 10, 20)}},
      }));
  const SummaryCover cover = cover_with_summaries(files, ranges);
  CHECK(cover.summaries.size() == used);
  REQUIRE(cover.missing.has_value() == !missing.empty());
  if (cover.missing) {
    CHECK(cover.missing->timeline == missing[0].timeline);
    CHECK(cover.missing->begin == missing[0].begin);
    CHECK(cover.missing->end == missing[0].end);
  }
}

}  // namespace pgcairn::postgres
