#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/postgres/control.hpp>

#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <support/temp_dir.hpp>

namespace pgcairn::postgres {
namespace {

// The beginning of pg_control of real servers (15.20 of Debian, 18.4, 19rc1), in production; zeros
// follow to 8 KiB.
constexpr const char* kControl15 =
    "2060d79c9409016b1405000025770d0c0600000000000000e60d016b00000000"
    "d866091b00000000a066091b0000000001000000010000000100000000000000"
    "fd02000000000000406000000100000000000000cc0200001540000001000000"
    "0500000000000000e60d016b000000000000000000000000fd02000000000000"
    "e803000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000010000000000000064000000080000000a000000"
    "000000004000000000000000080000000000000087d632410020000000000200"
    "00200000000000014000000020000000cc070000000800000100000001000000"
    "e851bbea3e20581307d673a4f9043f02866e1e4cb33e0e4e0db4ecedb44ab9b5"
    "1224056e00000000";
constexpr const char* kControl18 =
    "f5c026ba9609016b080700003300120c0600000000000000c10d016b00000000"
    "8000001800000000280000180000000001000000010000000100000001000000"
    "10030000000000003f4000000100000000000000e80200001540000001000000"
    "0500000000000000c10d016b0000000000000000000000001003000000000000"
    "e803000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000010000000000000064000000080000000a000000"
    "000000004000000000000000080000000000000087d632410020000000000200"
    "00200000000000014000000020000000cc070000000800000100000001000000"
    "0139fe6a75070ddd3aa5169d5bb1c8890c8e88db0a46783ca45a7cdda7118272"
    "ba000000bbc9b565";
constexpr const char* kControl19 =
    "679c2010b6db086b710700008d95130c0600000000000000b9db086b00000000"
    "b000000200000000280000020000000001000000010000000100000001000000"
    "0000000000000000970200000000000000600000010000000100000000000000"
    "8e020000010000000100000001000000b9db086b000000000000000000000000"
    "9602000000000000e80300000000000000000000000000000000000000000000"
    "0000000000000000000000000000000000000000010000000000000064000000"
    "080000000a000000000000008000000000000000080000000000000087d63241"
    "00200000000002002000000000200000000000014000000020000000cc070000"
    "0008000001000000010000000100000001624f94e7f216261e853c5189718deb"
    "5836c6eebb5acf1fe692cf9d0a536ad03b000000ed21f7ea";
constexpr std::size_t kPayload15 = 292;  // CRC included
constexpr std::size_t kPayload18 = 296;
constexpr std::size_t kPayload19 = 312;
struct Captured {
  const char* head;
  std::size_t payload;
};
constexpr Captured kCaptured[] = {
    {kControl15, kPayload15}, {kControl18, kPayload18}, {kControl19, kPayload19}};

std::vector<std::byte> control_file(const char* head) {
  auto bytes = parse_hex(head).value();
  bytes.resize(8192);
  return bytes;
}

template <class Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.render();
  }
  return "no error";
}

}  // namespace

TEST_CASE("pg_control of 15 is read", "[postgres][control]") {
  const ControlFile control = parse_control_file(control_file(kControl15), "pg_control");
  CHECK(control.major == 15);
  CHECK(control.system_id == 7710454570926170144u);
  CHECK(control.control_version == 1300);
  CHECK(control.catalog_version == 202209061);
  CHECK(control.state == 6);
  CHECK(to_string(control.checkpoint) == "0/1B0966D8");
  CHECK(to_string(control.redo) == "0/1B0966A0");
  CHECK(control.timeline == 1);
  CHECK(control.min_recovery_point == Lsn{0});
  CHECK(control.block_bytes == 8192);
  CHECK(control.relation_segment_blocks == 131072);
  CHECK(control.wal_segment_bytes == kDefaultWalSegmentBytes);
  CHECK(control.data_checksums);
  CHECK(control.limits == ServerLimits{{100, 8, 10, 0, 64}, 1});
}

TEST_CASE("pg_control of 18 is read", "[postgres][control]") {
  const ControlFile control = parse_control_file(control_file(kControl18), "pg_control");
  CHECK(control.major == 18);
  CHECK(control.system_id == 7710454580007846133u);
  CHECK(control.control_version == 1800);
  CHECK(control.catalog_version == 202506291);
  CHECK(to_string(control.checkpoint) == "0/18000080");
  CHECK(to_string(control.redo) == "0/18000028");
  CHECK(control.timeline == 1);
  CHECK(control.wal_segment_bytes == kDefaultWalSegmentBytes);
  CHECK(control.data_checksums);
}

TEST_CASE("pg_control of 19 is read", "[postgres][control]") {
  const ControlFile control = parse_control_file(control_file(kControl19), "pg_control");
  CHECK(control.major == 19);
  CHECK(control.system_id == 7712655936873077863u);
  CHECK(control.control_version == 1905);
  CHECK(control.catalog_version == 202610061);
  CHECK(control.state == 6);
  CHECK(to_string(control.checkpoint) == "0/20000B0");
  CHECK(to_string(control.redo) == "0/2000028");
  CHECK(control.timeline == 1);
  CHECK(control.block_bytes == 8192);
  CHECK(control.relation_segment_blocks == 131072);
  CHECK(control.wal_segment_bytes == kDefaultWalSegmentBytes);
  CHECK(control.data_checksums);
  CHECK(control.limits == ServerLimits{{100, 8, 10, 0, 128}, 1});
}

TEST_CASE("members of pg_control of 19 are told apart", "[postgres][control]") {
  auto bytes = control_file(kControl19);
  store_le<std::uint64_t>(bytes.data() + 144, 0x1234);   // minRecoveryPoint
  store_le<std::uint32_t>(bytes.data() + 232, 64);       // slru_pages_per_segment
  store_le<std::uint32_t>(bytes.data() + 236, 4096);     // xlog_blcksz
  store_le<std::uint32_t>(bytes.data() + 240, 1 << 30);  // xlog_seg_size
  // data_checksum_version: off, and the states while they are being switched
  store_le<std::uint32_t>(bytes.data() + 268, GENERATE(0u, 2u, 3u));
  store_le<std::uint32_t>(bytes.data() + 308, crc32c(Bytes(bytes).first(308)));
  const ControlFile control = parse_control_file(bytes, "pg_control");
  CHECK(control.min_recovery_point == Lsn{0x1234});
  CHECK(control.block_bytes == 8192);
  CHECK(control.relation_segment_blocks == 131072);
  CHECK(control.wal_segment_bytes == 1u << 30);
  CHECK_FALSE(control.data_checksums);
}

TEST_CASE("members of pg_control are told apart", "[postgres][control]") {
  // Members that are equal in the captured files, set to values of their own.
  auto bytes = control_file(kControl18);
  store_le<std::uint32_t>(bytes.data() + 16, 5);         // state: in archive recovery
  store_le<std::uint32_t>(bytes.data() + 48, 7);         // ThisTimeLineID
  store_le<std::uint32_t>(bytes.data() + 52, 6);         // PrevTimeLineID
  store_le<std::uint64_t>(bytes.data() + 136, 0x1234);   // minRecoveryPoint
  store_le<std::uint32_t>(bytes.data() + 144, 8);        // minRecoveryPointTLI
  store_le<std::uint32_t>(bytes.data() + 224, 4096);     // xlog_blcksz
  store_le<std::uint32_t>(bytes.data() + 228, 1 << 30);  // xlog_seg_size
  store_le<std::uint32_t>(bytes.data() + 252, 0);        // data_checksum_version
  store_le<std::uint32_t>(bytes.data() + 292, crc32c(Bytes(bytes).first(292)));
  const ControlFile control = parse_control_file(bytes, "pg_control");
  CHECK(control.state == 5);
  CHECK(control.timeline == 7);
  CHECK(control.min_recovery_point == Lsn{0x1234});
  CHECK(control.block_bytes == 8192);
  CHECK(control.wal_segment_bytes == 1u << 30);
  CHECK_FALSE(control.data_checksums);
}

TEST_CASE("a flipped bit anywhere in pg_control is refused", "[postgres][control]") {
  const Captured captured = GENERATE(from_range(std::begin(kCaptured), std::end(kCaptured)));
  auto bytes = control_file(captured.head);
  for (std::size_t at = 0; at < captured.payload; ++at) {
    INFO("byte " << at);
    for (const std::byte flip : {std::byte{1}, std::byte{0x80}}) {
      bytes[at] ^= flip;
      if (at >= 8 && at < 12) {
        // Where the CRC stands depends on the version.
        CHECK_THROWS_AS(parse_control_file(bytes, "pg_control"), PostgresError);
      } else {
        CHECK_THROWS_AS(parse_control_file(bytes, "pg_control"), DamagedError);
      }
      bytes[at] ^= flip;
    }
  }
  CHECK_NOTHROW(parse_control_file(bytes, "pg_control"));
}

TEST_CASE("a short pg_control is refused", "[postgres][control]") {
  auto bytes = control_file(kControl18);
  for (const std::size_t size : {0u, 8u, 291u, 511u}) {
    bytes.resize(size);
    CHECK_THROWS_AS(parse_control_file(bytes, "pg_control"), DamagedError);
  }
}

TEST_CASE("another version's pg_control is refused by name", "[postgres][control]") {
  auto bytes = control_file(kControl15);
  SECTION("older control file") {
    store_le<std::uint32_t>(bytes.data() + 8, 1201);
  }
  SECTION("newer catalog") {
    store_le<std::uint32_t>(bytes.data() + 12, 202301011);
    store_le<std::uint32_t>(bytes.data() + 288, crc32c(Bytes(bytes).first(288)));
  }
  CHECK_THROWS_AS(parse_control_file(bytes, "pg_control"), PostgresError);
  const std::string message = message_of([&] { parse_control_file(bytes, "pg_control"); });
  CHECK(message.find("7710454570926170144") != std::string::npos);
  CHECK(message.find("PostgreSQL 13 to 19") != std::string::npos);
}

TEST_CASE("a pg_control that requires backup_label is sound but starts nowhere",
          "[postgres][control]") {
  const Captured captured = GENERATE(from_range(std::begin(kCaptured), std::end(kCaptured)));
  const auto before = control_file(captured.head);
  auto bytes = before;
  require_backup_label(bytes, "pg_control");
  const ControlFile control = parse_control_file(bytes, "pg_control");
  CHECK(control.checkpoint == Lsn{0xDEAD});
  CHECK(control.redo == parse_control_file(before, "pg_control").redo);
  // Nothing else but the CRC changed.
  std::size_t changed = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) changed += bytes[i] != before[i] ? 1 : 0;
  CHECK(changed <= 12);

  bytes[40] ^= std::byte{1};
  CHECK_THROWS_AS(require_backup_label(bytes, "pg_control"), DamagedError);
}

TEST_CASE("a torn read of pg_control is read again", "[postgres][control]") {
  test::TempDir directory;
  fs::create_directory(directory / "global");
  const fs::path path = directory / "global/pg_control";
  const auto whole = control_file(kControl18);
  auto torn = whole;
  torn[40] ^= std::byte{0xff};
  write_file_atomically(path, torn);
  std::jthread server([&] {
    std::this_thread::sleep_for(milliseconds(100));
    write_file_atomically(path, whole);
  });
  const Buffer bytes = read_control_bytes(directory.path());
  CHECK(as_text(bytes) == as_text(whole));
  CHECK(read_control_file(directory.path()).major == 18);
}

TEST_CASE("an unsupported pg_control is not waited for", "[postgres][control]") {
  test::TempDir directory;
  fs::create_directory(directory / "global");
  auto bytes = control_file(kControl18);
  store_le<std::uint32_t>(bytes.data() + 8, 1900);
  write_file_atomically(directory / "global/pg_control", bytes);
  const auto begin = std::chrono::steady_clock::now();
  CHECK_THROWS_AS(read_control_bytes(directory.path()), PostgresError);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(9));
}

}  // namespace pgcairn::postgres
