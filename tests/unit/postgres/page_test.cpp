#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/postgres/page.hpp>

#include <cstring>
#include <vector>

#include <catch2/catch.hpp>

namespace pgcairn::postgres {
namespace {

using Page = std::vector<std::byte>;

struct Run {
  std::size_t at;
  const char* hex;
};
Page page_of(std::initializer_list<Run> runs) {
  Page page(kPageBytes);
  for (const Run& run : runs) {
    const auto bytes = parse_hex(run.hex).value();
    std::memcpy(page.data() + run.at, bytes.data(), bytes.size());
  }
  return page;
}

// Block 0 of a table with the rows 1 and 2, from a server's data directory (15.20).
Page small_table() {
  return page_of({{0x0000, "000000000865091b072e00002000c01f0020042000000000e09f3800c09f3800"},
                  {0x1fc0, "fc020000000000000100000000000000020001000008180002000000"},
                  {0x1fe0, "fc020000000000000100000000000000010001000008180001000000"}});
}

// Block 3 of a table of 5 pages, one row of 5000 letters each.
Page fourth_of_multi() {
  Page page = page_of({{0, "000000003841091b145c00001c00580c0020042000000000588c502700000000"},
                       {3160, "fb020000000000000000000000000300010002000208180004000000304e0000"}});
  std::memset(page.data() + 3192, 'D', 5000);
  return page;
}

Page filled() {
  Page page(kPageBytes);
  for (std::size_t i = 0; i < page.size(); ++i)
    page[i] = static_cast<std::byte>(i * 131 + (i >> 8) * 17 + 7);
  return page;
}

void set_lsn(Page& page, Lsn lsn) {
  store_le(page.data(), static_cast<std::uint32_t>(lsn.value >> 32));
  store_le(page.data() + 4, static_cast<std::uint32_t>(lsn.value));
}
void set_checksum(Page& page, std::uint32_t block) {
  store_le(page.data() + 8, page_checksum(page.data(), block));
}

constexpr Lsn kStart{0x2'00000100};
constexpr Lsn kEnd{0x2'80000000};

}  // namespace

TEST_CASE("page checksums are PostgreSQL's", "[postgres][page]") {
  CHECK(page_checksum(small_table().data(), 0) == 0x2e07);
  CHECK(page_checksum(fourth_of_multi().data(), 3) == 0x5c14);
  // page_checksum() of pageinspect on 15.20.
  CHECK(page_checksum(filled().data(), 0) == 12300);
  CHECK(page_checksum(filled().data(), 1) == 12301);
  CHECK(page_checksum(filled().data(), 131072) == 12298);
  CHECK(page_checksum(filled().data(), 4294967294u) == 65536 - 12300);
  const Page ones(kPageBytes, std::byte{0xff});
  CHECK(page_checksum(ones.data(), 0) == 3612);
  CHECK(page_checksum(ones.data(), 1048577) == 3597);
}

TEST_CASE("a page need not be aligned and is not changed", "[postgres][page]") {
  const Page page = small_table();
  for (const std::size_t shift : {1u, 4u, 8u, 31u}) {
    Page moved(kPageBytes + 64);
    std::memcpy(moved.data() + shift, page.data(), page.size());
    const Page before = moved;
    CHECK(page_checksum(moved.data() + shift, 0) == 0x2e07);
    CHECK(moved == before);
  }
}

TEST_CASE("the checksum field counts as zero, all else counts", "[postgres][page]") {
  Page page = filled();
  const std::uint16_t checksum = page_checksum(page.data(), 7);
  store_le<std::uint16_t>(page.data() + 8, 0xffff);
  CHECK(page_checksum(page.data(), 7) == checksum);
  for (std::size_t at = 0; at < kPageBytes; at += at < 32 ? 1 : 61) {
    if (at == 8 || at == 9) continue;
    INFO("byte " << at);
    page[at] ^= std::byte{4};
    CHECK(page_checksum(page.data(), 7) != checksum);
    page[at] ^= std::byte{4};
  }
}

TEST_CASE("the LSN of a page has its high half first", "[postgres][page]") {
  CHECK(to_string(page_lsn(small_table().data())) == "0/1B096508");
  Page page(kPageBytes);
  set_lsn(page, Lsn{0x12'3456789A});
  CHECK(to_string(page_lsn(page.data())) == "12/3456789A");
}

TEST_CASE("pages are judged", "[postgres][page]") {
  Page page = filled();
  set_lsn(page, Lsn{0x1'00000000});
  set_checksum(page, 5);

  SECTION("sound pages are good, whenever they were written") {
    CHECK(judge_page(page.data(), 5, kStart, kEnd) == PageVerdict::good);
    set_lsn(page, Lsn{0x2'00001000});
    set_checksum(page, 5);
    CHECK(judge_page(page.data(), 5, kStart, kEnd) == PageVerdict::good);
  }
  SECTION("at another block it is bad") {
    CHECK(judge_page(page.data(), 6, kStart, kEnd) == PageVerdict::bad);
  }
  SECTION("broken before the backup began") {
    page[4000] ^= std::byte{1};
    CHECK(judge_page(page.data(), 5, kStart, kEnd) == PageVerdict::bad);
    set_lsn(page, Lsn{kStart.value - 1});
    CHECK(judge_page(page.data(), 5, kStart, kEnd) == PageVerdict::bad);
  }
  SECTION("torn while it is written") {
    set_lsn(page, kStart);
    CHECK(judge_page(page.data(), 5, kStart, kEnd) == PageVerdict::in_flight);
    set_lsn(page, kEnd);
    CHECK(judge_page(page.data(), 5, kStart, kEnd) == PageVerdict::in_flight);
  }
  SECTION("an LSN that was never written is damage, not haste") {
    set_lsn(page, Lsn{kEnd.value + 1});
    CHECK(judge_page(page.data(), 5, kStart, kEnd) == PageVerdict::bad);
    CHECK(judge_page(page.data(), 5, kStart, Lsn{UINT64_MAX}) == PageVerdict::in_flight);
  }
  SECTION("new pages are all zero") {
    Page fresh(kPageBytes);
    CHECK(judge_page(fresh.data(), 5, kStart, kEnd) == PageVerdict::good);
    for (const std::size_t at : {0u, 1u, 16u, 4096u, 8191u}) {
      fresh[at] = std::byte{1};
      CHECK(judge_page(fresh.data(), 5, kStart, kEnd) == PageVerdict::bad);
      fresh[at] = std::byte{0};
    }
  }
}

}  // namespace pgcairn::postgres
