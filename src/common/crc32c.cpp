#include "crc32c.hpp"

#include <array>

namespace pgcairn {

namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;  // reflected
constexpr std::size_t kSlices = 8;
using Tables = std::array<std::array<std::uint32_t, 256>, kSlices>;

/// tables[n][byte]: what a byte adds that n more bytes follow ("slicing by eight").
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t n = 1; n < kSlices; ++n) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[n - 1][byte];
      tables[n][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

std::uint32_t add_byte(std::uint32_t crc, std::byte byte) {
  return (crc >> 8) ^ kTables[0][(crc ^ std::to_integer<std::uint32_t>(byte)) & 0xFF];
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) std::uint32_t by_instruction(Bytes bytes, std::uint32_t seed) {
  std::uint64_t crc = ~seed;
  for (; bytes.size() >= sizeof(std::uint64_t); bytes = bytes.subspan(sizeof(std::uint64_t)))
    crc = __builtin_ia32_crc32di(crc, load_le<std::uint64_t>(bytes.data()));
  auto rest = static_cast<std::uint32_t>(crc);
  for (const std::byte byte : bytes) rest = add_byte(rest, byte);
  return ~rest;
}

#endif

}  // namespace

std::uint32_t crc32c_by_tables(Bytes bytes, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
  for (; bytes.size() >= kSlices; bytes = bytes.subspan(kSlices)) {
    std::uint32_t next = 0;
    for (std::size_t at = 0; at < kSlices; ++at) {
      auto value = std::to_integer<std::uint32_t>(bytes[at]);
      if (at < sizeof crc) value ^= (crc >> (8 * at)) & 0xFF;
      next ^= kTables[kSlices - 1 - at][value];
    }
    crc = next;
  }
  for (const std::byte byte : bytes) crc = add_byte(crc, byte);
  return ~crc;
}

std::uint32_t crc32c(Bytes bytes, std::uint32_t seed) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return by_instruction(bytes, seed);
#endif
  return crc32c_by_tables(bytes, seed);
}

}  // namespace pgcairn
