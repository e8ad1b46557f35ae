#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/wal_file.hpp>

#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace pgcairn::postgres {
namespace {

constexpr SystemId kSystem = 7710454570926170144u;

// The first 40 bytes of 00000001000000000000001 of a real server (15.20).
std::vector<std::byte> segment(std::size_t size = kDefaultWalSegmentBytes) {
  auto bytes = parse_hex(
                   "10d1020001000000000000010000000000000000000000002060d79c9409016b"
                   "0000000100200000")
                   .value();
  bytes.resize(size);
  return bytes;
}

template <class Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.render();
  }
  return "accepted";
}

std::string check(const std::vector<std::byte>& bytes, std::string_view name,
                  SystemId system_id = kSystem, int major = 15) {
  return message_of([&] { check_wal_segment(bytes, bytes.size(), name, system_id, major); });
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

constexpr std::string_view kName = "000000010000000000000001";

}  // namespace

TEST_CASE("the header of a WAL segment is read", "[postgres][wal]") {
  const WalHeader header = parse_wal_header(segment(), "x");
  CHECK(header.major == 15);
  CHECK(header.timeline == 1);
  CHECK(to_string(header.page_address) == "0/1000000");
  CHECK(header.system_id == kSystem);
  CHECK(header.segment_bytes == kDefaultWalSegmentBytes);
}

TEST_CASE("the version of WAL is told by its magic", "[postgres][wal]") {
  // Read from segments of real servers.
  const auto [magic, major] = GENERATE(table<std::uint16_t, int>({{std::uint16_t{0xD106}, 13},
                                                                  {std::uint16_t{0xD10D}, 14},
                                                                  {std::uint16_t{0xD110}, 15},
                                                                  {std::uint16_t{0xD113}, 16},
                                                                  {std::uint16_t{0xD116}, 17},
                                                                  {std::uint16_t{0xD118}, 18},
                                                                  {std::uint16_t{0xD122}, 19}}));
  auto bytes = segment();
  store_le(bytes.data(), magic);
  CHECK(parse_wal_header(bytes, "x").major == major);
  CHECK(check(bytes, kName, kSystem, major) == "accepted");
}

TEST_CASE("WAL of a version to come is called that, not damaged", "[postgres][wal]") {
  auto bytes = segment();
  store_le(bytes.data(), static_cast<std::uint16_t>(GENERATE(0xD123, 0xD140, 0xD1FF)));
  CHECK_THROWS_AS(parse_wal_header(bytes, "x"), PostgresError);
  CHECK(check(bytes, kName, kSystem, 19).find("newer than 19") != std::string::npos);
}

TEST_CASE("what is no WAL segment is damage", "[postgres][wal]") {
  auto bytes = segment();
  SECTION("too short") {
    bytes.resize(39);
  }
  SECTION("empty") {
    bytes.clear();
  }
  SECTION("unknown magic") {
    store_le<std::uint16_t>(bytes.data(), 0xD101);
  }
  SECTION("zeros") {
    bytes.assign(bytes.size(), std::byte{0});
  }
  SECTION("short header") {
    bytes[2] = std::byte{0};
  }
  SECTION("timeline 0") {
    store_le<std::uint32_t>(bytes.data() + 4, 0);
  }
  SECTION("segment size 0") {
    store_le<std::uint32_t>(bytes.data() + 32, 0);
  }
  SECTION("segment size too small") {
    store_le<std::uint32_t>(bytes.data() + 32, 512 * 1024);
  }
  SECTION("odd segment size") {
    store_le<std::uint32_t>(bytes.data() + 32, 3 << 20);
  }
  SECTION("odd page size") {
    store_le<std::uint32_t>(bytes.data() + 36, 8191);
  }
  CHECK_THROWS_AS(parse_wal_header(bytes, "x"), DamagedError);
  CHECK_THROWS_AS(check_wal_segment(bytes, bytes.size(), kName, kSystem, 15), DamagedError);
}

TEST_CASE("a segment must be this cluster's", "[postgres][wal]") {
  auto bytes = segment();
  CHECK(check(bytes, kName) == "accepted");
  CHECK(check(bytes, "000000010000000000000001.partial") == "accepted");
  SECTION("other cluster") {
    const std::string message = check(bytes, kName, 42);
    CHECK(has(message, "\"000000010000000000000001\""));
    CHECK(has(message, "7710454570926170144"));
    CHECK(has(message, "42"));
  }
  SECTION("other version") {
    const std::string message = check(bytes, kName, kSystem, 16);
    CHECK(has(message, "version is 15, expected 16"));
  }
  SECTION("cut short or grown") {
    bytes.resize(bytes.size() - 1);
    CHECK(has(check(bytes, kName), "16777215 bytes, expected 16777216"));
    bytes.resize(bytes.size() + 2);
    CHECK(has(check(bytes, kName), "16777217 bytes, expected 16777216"));
  }
  SECTION("other address") {
    CHECK(has(check(bytes, "000000010000000000000002"),
              "first address is 0/1000000, expected 0/2000000"));
    CHECK(has(check(bytes, "000000010000000100000001"), "expected 1/1000000"));
  }
  SECTION("a recycled segment that is not written yet") {
    CHECK(has(check(bytes, "0000000100000000000000FE"), "expected 0/FE000000"));
  }
  SECTION("an ancestor's first page is what a promotion leaves") {
    CHECK(check(bytes, "000000030000000000000001") == "accepted");
    store_le<std::uint32_t>(bytes.data() + 4, 4);
    CHECK(has(check(bytes, "000000030000000000000001"), "timeline is 4, expected 3 or"));
  }
  SECTION("names of other files") {
    for (const char* name : {"00000001.history", "000000010000000000000001.00000028.backup",
                             "00000001000000000000001", "000000010000000000000001.gz", "",
                             "000000010000000000000100", "00000001000000000000000g"}) {
      INFO(name);
      CHECK(has(check(bytes, name), "cannot accept"));
    }
  }
}

TEST_CASE("segments of other sizes", "[postgres][wal]") {
  auto bytes = segment(1 << 20);
  store_le<std::uint32_t>(bytes.data() + 32, 1 << 20);
  store_le<std::uint64_t>(bytes.data() + 8, 0x1'00100000);
  // 4096 segments of 1 MiB in each 4 GiB
  CHECK(check(bytes, "000000010000000100000001") == "accepted");
  store_le<std::uint64_t>(bytes.data() + 8, 0x1'fff00000);
  CHECK(check(bytes, "000000010000000100000FFF") == "accepted");
  CHECK(has(check(bytes, "000000010000000100001000"), "no WAL segment of 1048576 bytes"));
}

TEST_CASE("timeline histories", "[postgres][wal]") {
  const auto check_history = [](std::string_view text, std::string_view name) {
    return message_of([&] { check_timeline_history(as_bytes(text), name); });
  };
  CHECK(check_history("1\t0/18000028\tno recovery target specified\n", "00000002.history") ==
        "accepted");
  CHECK(check_history("# note\n\n1\t0/3000000\treason\n  \n2\t1A/4000000\tbefore 2026\n",
                      "0000000B.history") == "accepted");
  CHECK(check_history("1 0/3000000 spaces do too", "00000002.history") == "accepted");
  CHECK(check_history("1\t0/3000000\n", "00000002.history") == "accepted");

  const char* const bad[] = {
      "",                                          // nothing
      "# only a comment\n",                        //
      "x\t0/3000000\treason\n",                    // no timeline
      "0\t0/3000000\treason\n",                    // never a timeline
      "1\n",                                       // no position
      "1\tsomewhere\treason\n",                    //
      "1\t0/3000000\ta\n1\t0/4000000\tb\n",        // does not increase
      "2\t0/3000000\ta\n1\t0/4000000\tb\n",        //
      "1\t0/3000000\ta\n3\t0/4000000\tb\n",        // its own
      "1\t0/3000000\ta\n4\t0/4000000\tb\n",        // above its own
      "99999999999\t0/3000000\treason\n",          // no number of 32 bits
      "1\t0/3000000\ta\n\x01\x02\xff garbage \n",  //
  };
  for (const char* text : bad) {
    INFO(text);
    CHECK(has(check_history(text, "00000003.history"), "cannot accept \"00000003.history\""));
  }
  CHECK(has(check_history("1\t0/3000000\treason\n", kName), "cannot accept"));
}

}  // namespace pgcairn::postgres
