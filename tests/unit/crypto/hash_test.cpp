#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>

#include <string>

#include <catch2/catch.hpp>

using namespace pgcairn;

namespace {

/// Bytes 0, 1, ... 250, 0, 1 ...
std::string counting(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i % 251);
  return bytes;
}

}  // namespace

TEST_CASE("hash64 and hash128 are XXH3 with seed 0, as python3-xxhash prints it") {
  struct Row {
    std::string bytes;
    std::uint64_t hash64;
    std::string_view hash128;
  };
  // Each length takes another path through XXH3.
  for (const Row& row :
       {Row{"", 0x2d06800538d394c2, "99aa06d3014798d86001c324468d497f"},
        Row{"a", 0xe6c632b61e964e1f, "a96faf705af16834e6c632b61e964e1f"},
        Row{"pgcairn", 0x90144adb88e8bbdb, "327b8465d23836cb4c80b210043f07d5"},
        Row{counting(240), 0x375a384d957fe865, "65b5be86da5540e7c92b68e16f83bbb6"},
        Row{counting(8192), 0x40a71c16bbe37322, "d481c9ee8a8fe42940a71c16bbe37322"},
        Row{counting(131072), 0xcdcacb62ee881022, "b09abb0016d42f10cdcacb62ee881022"}}) {
    INFO(row.bytes.size() << " bytes");
    CHECK(crypto::hash64(as_bytes(row.bytes)) == row.hash64);
    CHECK(hex(crypto::hash128(as_bytes(row.bytes))) == row.hash128);
  }
}

TEST_CASE("a page with one bit turned has other hashes") {
  std::string page = counting(8192);
  const auto before64 = crypto::hash64(as_bytes(page));
  const auto before128 = crypto::hash128(as_bytes(page));
  for (const std::size_t at : {0u, 1u, 4096u, 8191u}) {
    page[at] = static_cast<char>(page[at] ^ 0x10);
    CHECK(crypto::hash64(as_bytes(page)) != before64);
    CHECK(crypto::hash128(as_bytes(page)) != before128);
    page[at] = static_cast<char>(page[at] ^ 0x10);
  }
}

TEST_CASE("hashes do not depend on alignment") {
  const std::string bytes = counting(1000);
  const std::string shifted = "x" + bytes;
  CHECK(crypto::hash64(as_bytes(bytes)) == crypto::hash64(as_bytes(shifted).subspan(1)));
  CHECK(crypto::hash128(as_bytes(bytes)) == crypto::hash128(as_bytes(shifted).subspan(1)));
}
