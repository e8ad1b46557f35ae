#include <pgcairn/postgres/files.hpp>
#include <pgcairn/postgres/page.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace pgcairn::postgres {

namespace {

// The page is read as rows of 32 words; each column is hashed on its own (so that a processor can
// do many at a time) and the 32 hashes are folded into one. Constants: storage/checksum_impl.h.
constexpr std::size_t kLanes = 32;
constexpr std::uint32_t kPrime = 16777619;  // of FNV-1a
constexpr std::array<std::uint32_t, kLanes> kOffsets = {
    0x5B1F36E9, 0xB8525960, 0x02AB50AA, 0x1DE66D2A, 0x79FF467A, 0x9BB9F8A3, 0x217E7CD2, 0x83E13D2C,
    0xF8D4474F, 0xE39EB970, 0x42C6AE16, 0x993216FA, 0x7B093B5D, 0x98DAFF3C, 0xF718902A, 0x0B1C9CDB,
    0xE58F764B, 0x187636BC, 0x5D7B3BB1, 0xE73DE7DE, 0x92BEC979, 0xCCA6C0B2, 0x304A0979, 0x85AA43D4,
    0x783125BB, 0x6CA8EAA2, 0xE407EAC6, 0x4B5CFC3E, 0x9FBF8C76, 0x15CA20BE, 0xF2CA9FD3, 0x959BD756,
};
constexpr std::size_t kRowBytes = sizeof kOffsets;

// PageHeaderData (storage/bufpage.h).
constexpr std::size_t kLsnHighAt = 0;
constexpr std::size_t kLsnLowAt = 4;
constexpr std::size_t kChecksumAt = 8;
constexpr std::size_t kUpperAt = 14;

// Eight words at a time: left to plain loops the compiler keeps the sums in memory (10 GB/s instead
// of 17).
using Words = std::uint32_t __attribute__((vector_size(32)));

[[gnu::always_inline]] inline void mix(Words& sums, const Words& words) {
  const Words mixed = sums ^ words;
  sums = (mixed * kPrime) ^ (mixed >> 17);
}

[[gnu::always_inline]] inline void mix_row(Words (&sums)[4], const void* row) {
  Words words[4];
  std::memcpy(words, row, sizeof words);
  for (int i = 0; i < 4; ++i) mix(sums[i], words[i]);
}

[[gnu::always_inline]] inline std::uint32_t hash_page(const std::byte* page) {
  Words sums[4];
  static_assert(sizeof sums == kRowBytes);
  std::memcpy(sums, kOffsets.data(), sizeof sums);
  std::array<std::uint32_t, kLanes> row;
  std::memcpy(row.data(), page, kRowBytes);
  row[kChecksumAt / 4] &= 0xffff0000;  // the checksum is the lower half of its word
  mix_row(sums, row.data());
  for (std::size_t at = kRowBytes; at < kPageBytes; at += kRowBytes) mix_row(sums, page + at);
  // Two rows of zeros stir the last row's bits.
  row.fill(0);
  mix_row(sums, row.data());
  mix_row(sums, row.data());
  std::memcpy(row.data(), sums, kRowBytes);
  std::uint32_t folded = 0;
  for (const std::uint32_t sum : row) folded ^= sum;
  return folded;
}

std::uint32_t hash_page_anywhere(const std::byte* page) {
  return hash_page(page);
}

#if defined(__x86_64__)
// SSE2 has no multiplication of 32-bit words; AVX2 makes this three times as fast. Chosen at run
// time here and not by target_clones, whose resolvers run before the sanitizers are up.
[[gnu::target("avx2")]] std::uint32_t hash_page_avx2(const std::byte* page) {
  return hash_page(page);
}
std::uint32_t (*const hash_page_here)(const std::byte*) = __builtin_cpu_supports("avx2")
                                                              ? hash_page_avx2
                                                              : hash_page_anywhere;
#else
constexpr auto hash_page_here = hash_page_anywhere;
#endif

bool is_all_zero(const std::byte* page) {
  // The page is zero when its first byte is and each byte equals the one before it.
  return page[0] == std::byte{0} && std::memcmp(page, page + 1, kPageBytes - 1) == 0;
}

}  // namespace

std::uint16_t page_checksum(const std::byte* page, std::uint32_t block) {
  // The block number catches pages written to a wrong place; 0 stays free for "no checksum".
  return static_cast<std::uint16_t>((hash_page_here(page) ^ block) % 65535 + 1);
}

Lsn page_lsn(const std::byte* page) {
  const std::uint64_t high = load_le<std::uint32_t>(page + kLsnHighAt);
  return Lsn{(high << 32) | load_le<std::uint32_t>(page + kLsnLowAt)};
}

PageVerdict judge_page(const std::byte* page, std::uint32_t block, Lsn backup_start, Lsn wal_end) {
  if (load_le<std::uint16_t>(page + kUpperAt) == 0) {
    return is_all_zero(page) ? PageVerdict::good : PageVerdict::bad;
  }
  if (load_le<std::uint16_t>(page + kChecksumAt) == page_checksum(page, block))
    return PageVerdict::good;
  const Lsn lsn = page_lsn(page);
  return lsn >= backup_start && lsn <= wal_end ? PageVerdict::in_flight : PageVerdict::bad;
}

}  // namespace pgcairn::postgres
