#include "common/crc32c.hpp"

#include <string>

#include <catch2/catch.hpp>

using namespace pgcairn;

TEST_CASE("crc32c by tables is Castagnoli's") {
  CHECK(crc32c_by_tables(as_bytes("")) == 0);
  CHECK(crc32c_by_tables(as_bytes("123456789")) == 0xe3069283);
  CHECK(crc32c_by_tables(as_bytes("56789"), crc32c_by_tables(as_bytes("1234"))) == 0xe3069283);
  CHECK(crc32c_by_tables(as_bytes(std::string(32, '\xff'))) == 0x62a8ab43);
}

TEST_CASE("crc32c: the processor and the tables agree at every length and place") {
  std::string bytes(300, '\0');
  for (std::size_t at = 0; at < bytes.size(); ++at) bytes[at] = static_cast<char>(at * 167 + 13);
  for (std::size_t start = 0; start < 9; ++start) {
    for (std::size_t size = 0; size + start <= bytes.size(); ++size) {
      const Bytes part = as_bytes(bytes).subspan(start, size);
      if (crc32c(part, 7) != crc32c_by_tables(part, 7))
        FAIL("start " << start << ", " << size << " bytes");
    }
  }
}
