#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/control.hpp>

#include <fstream>
#include <vector>

#include <support/cluster_files.hpp>

namespace pgcairn::test {

namespace {

// The beginning of pg_control of a real server (15.20 of Debian); zeros follow to 8 KiB.
constexpr const char* kControl =
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
constexpr std::size_t kStateAt = 16;
constexpr std::size_t kCrcAt = 288;

}  // namespace

void put_file(const std::filesystem::path& path, std::string_view content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

void put_control(const std::filesystem::path& data_directory, int state, bool never_started) {
  auto bytes = parse_hex(kControl).value();
  bytes.resize(8192);
  store_le<std::uint32_t>(bytes.data() + kStateAt, static_cast<std::uint32_t>(state));
  store_le<std::uint32_t>(bytes.data() + kCrcAt, crc32c(Bytes(bytes).first(kCrcAt)));
  if (never_started) postgres::require_backup_label(bytes, "pg_control");
  put_file(data_directory / "global/pg_control", as_text(bytes));
}

}  // namespace pgcairn::test
