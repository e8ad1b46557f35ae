#include "support/random.hpp"
#include "support/says.hpp"

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <array>

#include <catch2/catch.hpp>

using namespace pgcairn;
using test::error_of;
using test::Says;

TEST_CASE("Buffer grows, keeps its bytes and is aligned") {
  Buffer buffer;
  CHECK(buffer.empty());
  CHECK(buffer.bytes().empty());
  buffer.append({});
  CHECK(buffer.capacity() == 0);
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string piece = format("piece {} ", i);
    buffer.append(as_bytes(piece));
    expected += piece;
    REQUIRE(reinterpret_cast<std::uintptr_t>(buffer.data()) % 4096 == 0);
  }
  CHECK((as_text(buffer) == expected));
  buffer.resize(5);
  CHECK(as_text(buffer) == "piece");
  const std::size_t capacity = buffer.capacity();
  buffer.clear();
  CHECK(buffer.empty());
  CHECK(buffer.capacity() == capacity);
  buffer.reserve(1);
  CHECK(buffer.capacity() == capacity);
}

TEST_CASE("a Buffer that was moved from is empty and can be filled again") {
  Buffer first;
  first.append(as_bytes("content"));
  Buffer second(std::move(first));
  CHECK(as_text(second) == "content");
  CHECK(first.empty());
  CHECK(first.capacity() == 0);
  first.append(as_bytes("again"));
  CHECK(as_text(first) == "again");
  second = std::move(first);
  CHECK(as_text(second) == "again");
  first.resize(10);
  CHECK(first.size() == 10);
}

TEST_CASE("integers on disk are little-endian") {
  std::array<std::byte, 8> bytes{};
  store_le<std::uint32_t>(bytes.data(), 0x01020304);
  CHECK(hex(bytes) == "0403020100000000");
  CHECK(load_le<std::uint32_t>(bytes.data()) == 0x01020304);
  CHECK(load_le<std::uint16_t>(bytes.data() + 1) == 0x0203);
}

TEST_CASE("varints") {
  struct Row {
    std::uint64_t value;
    const char* bytes;
  };
  for (const Row& row :
       {Row{0, "00"}, Row{1, "01"}, Row{127, "7f"}, Row{128, "8001"}, Row{300, "ac02"},
        Row{16383, "ff7f"}, Row{16384, "808001"}, Row{1ull << 63, "80808080808080808001"},
        Row{UINT64_MAX, "ffffffffffffffffff01"}}) {
    std::string out;
    append_varint(out, row.value);
    CHECK(hex(as_bytes(out)) == row.bytes);
    ByteReader reader(as_bytes(out), "x");
    CHECK(reader.varint() == row.value);
    CHECK(reader.at_end());
  }
}

TEST_CASE("varints of any value come back", "[property]") {
  test::Random random(test::seed());
  std::string out;
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 10'000; ++i) {
    values.push_back(random() >> test::below(random, 64));
    append_varint(out, values.back());
  }
  ByteReader reader(as_bytes(out), "x");
  std::vector<std::uint64_t> read;
  while (!reader.at_end()) read.push_back(reader.varint());
  INFO("seed " << test::seed());
  CHECK((read == values));
}

TEST_CASE("ByteReader never reads past the end, and says where it was") {
  ByteReader reader(as_bytes("abcdefgh"), "main/pack/3", 1000);
  CHECK(as_text(reader.take(3)) == "abc");
  CHECK(reader.position() == 3);
  CHECK(reader.take(0).empty());
  CHECK_THAT(error_of<DamagedError>([&] { reader.take(6); }),
             (Says{"damaged \"main/pack/3\" at offset 1003: ends 1 bytes early"}));
  CHECK_THAT(error_of<DamagedError>([&] { reader.take(SIZE_MAX); }), (Says{"offset 1003"}));
  CHECK_THROWS_AS(reader.fixed<std::uint64_t>(), DamagedError);
  CHECK(reader.fixed<std::uint32_t>() == 0x67666564);
  CHECK_FALSE(reader.at_end());
  CHECK(as_text(reader.take(1)) == "h");
  CHECK(reader.at_end());
  CHECK_THROWS_AS(reader.varint(), DamagedError);
}

TEST_CASE("a varint that is cut or longer than 64 bits is damage") {
  for (const char* bytes : {"", "80", "ffffffffffffffffff", "ffffffffffffffffff02",
                            "ffffffffffffffffff7f", "8080808080808080808001"}) {
    INFO(bytes);
    const auto raw = *parse_hex(bytes);
    ByteReader reader(raw, "x");
    CHECK_THROWS_AS(reader.varint(), DamagedError);
  }
}

TEST_CASE("crc32c is Castagnoli's, in one piece or several") {
  CHECK(crc32c(as_bytes("")) == 0);
  CHECK(crc32c(as_bytes("123456789")) == 0xe3069283);
  CHECK(crc32c(as_bytes("6789"), crc32c(as_bytes("12345"))) == 0xe3069283);
  // RFC 3720 B.4
  CHECK(crc32c(as_bytes(std::string(32, '\0'))) == 0x8a9136aa);
  CHECK(crc32c(as_bytes(std::string(32, '\xff'))) == 0x62a8ab43);
  std::string counting;
  for (char c = 0; c < 32; ++c) counting += c;
  CHECK(crc32c(as_bytes(counting)) == 0x46dd794e);
}

TEST_CASE("random ids are 32 hex digits and differ") {
  const std::string id = random_id();
  CHECK(id.size() == 32);
  CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(id != random_id());
}
