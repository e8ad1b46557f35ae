#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/postgres/control.hpp>

#include <chrono>
#include <optional>

#include <fcntl.h>

namespace pgcairn::postgres {

namespace {

// Where the members of ControlFileData are (src/include/catalog/pg_control.h, 64-bit machines) that
// kept their place from 13 to 19.
constexpr std::size_t kSystemIdAt = 0;
constexpr std::size_t kControlVersionAt = 8;
constexpr std::size_t kCatalogVersionAt = 12;
constexpr std::size_t kStateAt = 16;
constexpr std::size_t kCheckpointAt = 32;
constexpr std::size_t kRedoAt = 40;
constexpr std::size_t kTimelineAt = 48;

// After the minimum recovery point, in every version: its timeline, the backup's start and end,
// backupEndRequired; then wal_level, wal_log_hints, and the limits in the order of kLimitNames.
constexpr std::size_t kWalLevelAfter = 36;
constexpr std::size_t kLimitsAfter = 44;

constexpr std::size_t kFileBytes = 8192;   // PG_CONTROL_FILE_SIZE; zeros follow the CRC
constexpr std::size_t kAtomicBytes = 512;  // PG_CONTROL_MAX_SAFE_SIZE: what a disk writes as one
constexpr std::uint64_t kNoCheckpoint = 0xDEAD;  // in segment 0, which no cluster ever has

/// Where the other members are, by version of the control file.
struct Layout {
  std::uint32_t control_version;
  std::size_t min_recovery_point_at;
  std::size_t block_bytes_at;
  std::size_t relation_segment_blocks_at;
  std::size_t wal_segment_bytes_at;
  std::size_t checksum_version_at;
  std::size_t crc_at;  // of the CRC-32C of all bytes before it
};
// 17 put wal_level into what was padding of CheckPoint. 18 put default_char_signedness before the
// nonce, which moves only the CRC. 19 made CheckPoint eight bytes longer (the next multixact offset
// has 64 bits), and put the pages of an SLRU segment before the size of a WAL block.
constexpr Layout kLayouts[] = {{1300, 136, 216, 220, 228, 252, 288},
                               {1700, 136, 216, 220, 228, 252, 288},
                               {1800, 136, 216, 220, 228, 252, 292},
                               {1905, 144, 224, 228, 240, 268, 308}};

struct Release {
  int major;
  std::uint32_t control_version;
  std::uint32_t catalog_version;
};
constexpr Release kReleases[] = {
    {13, 1300, 202007201}, {14, 1300, 202107181}, {15, 1300, 202209061}, {16, 1300, 202307071},
    {17, 1700, 202406281}, {18, 1800, 202506291}, {19, 1905, 202610061},
};

constexpr bool layouts_are_sound() {
  for (const Layout& layout : kLayouts) {
    // Offsets of 64-bit members are multiples of 8, those of 32-bit members of 4.
    if (layout.min_recovery_point_at % 8 != 0 || layout.block_bytes_at % 4 != 0) return false;
    if (layout.relation_segment_blocks_at != layout.block_bytes_at + 4) return false;
    if (layout.wal_segment_bytes_at % 4 != 0 || layout.checksum_version_at % 4 != 0) return false;
    if (layout.crc_at <= layout.checksum_version_at || layout.crc_at % 4 != 0) return false;
    if (layout.crc_at + 4 > kAtomicBytes) return false;
  }
  for (const Release& release : kReleases) {
    bool known = false;
    for (const Layout& layout : kLayouts)
      known |= layout.control_version == release.control_version;
    if (!known) return false;
  }
  return true;
}
static_assert(layouts_are_sound());

template <class Integer>
Integer field(Bytes bytes, std::size_t at) {
  return load_le<Integer>(bytes.data() + at);
}

[[noreturn]] void unsupported(Bytes bytes, const std::string& object) {
  throw PostgresError(
      format("cannot use \"{}\": control file version {} with catalog version {} (system "
             "identifier {}) is not of PostgreSQL 13 to 19",
             object, field<std::uint32_t>(bytes, kControlVersionAt),
             field<std::uint32_t>(bytes, kCatalogVersionAt), field<SystemId>(bytes, kSystemIdAt)),
      "use a pgcairn that supports this version of PostgreSQL, on a machine of the same byte "
      "order");
}

const Layout& layout_of(Bytes bytes, const std::string& object) {
  if (bytes.size() < kAtomicBytes) {
    throw DamagedError(object, bytes.size(),
                       format("a control file has at least {} bytes", kAtomicBytes));
  }
  const auto version = field<std::uint32_t>(bytes, kControlVersionAt);
  for (const Layout& layout : kLayouts) {
    if (layout.control_version == version) return layout;
  }
  unsupported(bytes, object);
}

bool crc_fits(Bytes bytes, const Layout& layout) {
  return crc32c(bytes.first(layout.crc_at)) == field<std::uint32_t>(bytes, layout.crc_at);
}

int major_of(Bytes bytes, const std::string& object) {
  const auto control = field<std::uint32_t>(bytes, kControlVersionAt);
  const auto catalog = field<std::uint32_t>(bytes, kCatalogVersionAt);
  for (const Release& release : kReleases) {
    if (release.control_version == control && release.catalog_version == catalog)
      return release.major;
  }
  unsupported(bytes, object);
}

const Layout& sound_layout_of(Bytes bytes, const std::string& object) {
  const Layout& layout = layout_of(bytes, object);
  if (!crc_fits(bytes, layout)) {
    throw DamagedError(object, layout.crc_at, "the CRC of the control file does not match");
  }
  return layout;
}

}  // namespace

ControlFile parse_control_file(Bytes bytes, const std::string& object) {
  const Layout& layout = sound_layout_of(bytes, object);
  ControlFile control;
  control.system_id = field<SystemId>(bytes, kSystemIdAt);
  control.control_version = field<std::uint32_t>(bytes, kControlVersionAt);
  control.catalog_version = field<std::uint32_t>(bytes, kCatalogVersionAt);
  control.major = major_of(bytes, object);
  control.state = static_cast<int>(field<std::uint32_t>(bytes, kStateAt));
  control.checkpoint = Lsn{field<std::uint64_t>(bytes, kCheckpointAt)};
  control.redo = Lsn{field<std::uint64_t>(bytes, kRedoAt)};
  control.timeline = field<Timeline>(bytes, kTimelineAt);
  control.min_recovery_point = Lsn{field<std::uint64_t>(bytes, layout.min_recovery_point_at)};
  control.block_bytes = field<std::uint32_t>(bytes, layout.block_bytes_at);
  control.relation_segment_blocks = field<std::uint32_t>(bytes, layout.relation_segment_blocks_at);
  control.wal_segment_bytes = field<std::uint32_t>(bytes, layout.wal_segment_bytes_at);
  // 1 is "on". A server that switches them while it runs has other values meanwhile: pages without
  // a checksum are legal then.
  control.data_checksums = field<std::uint32_t>(bytes, layout.checksum_version_at) == 1;
  control.limits.wal_level =
      field<std::uint32_t>(bytes, layout.min_recovery_point_at + kWalLevelAfter);
  for (std::size_t i = 0; i < control.limits.values.size(); ++i) {
    control.limits.values[i] = field<std::uint32_t>(
        bytes, layout.min_recovery_point_at + kLimitsAfter + i * sizeof(std::uint32_t));
  }
  return control;
}

Buffer read_control_bytes(const std::filesystem::path& data_directory) {
  const fs::path path = data_directory / "global" / "pg_control";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (;;) {
    // The server overwrites the file in place and readers take no lock: a read may catch half of
    // two writes. Opened again each time, as some file systems show a change only then.
    Buffer bytes = read_file(path, kFileBytes);
    if (bytes.size() >= kAtomicBytes && crc_fits(bytes, layout_of(bytes, path.native())))
      return bytes;
    if (std::chrono::steady_clock::now() >= deadline) {
      sound_layout_of(bytes, path.native());
    }
    sleep_for(milliseconds(20), {});
  }
}

ControlFile read_control_file(const std::filesystem::path& data_directory) {
  return parse_control_file(read_control_bytes(data_directory),
                            (data_directory / "global" / "pg_control").native());
}

bool is_shut_down(const ControlFile& control) {
  constexpr int shut_down = 1;
  constexpr int shut_down_in_recovery = 2;
  return control.state == shut_down || control.state == shut_down_in_recovery;
}

bool never_started(const ControlFile& control) {
  return control.checkpoint == Lsn{kNoCheckpoint};
}

void require_backup_label(MutableBytes control, const std::string& object) {
  const Layout& layout = sound_layout_of(control, object);
  // Must pass the server's test of a record's place within its page (XRecOffIsValid), which is made
  // with a backup_label too; nothing can be read there.
  store_le<std::uint64_t>(control.data() + kCheckpointAt, kNoCheckpoint);
  store_le<std::uint32_t>(control.data() + layout.crc_at, crc32c(control.first(layout.crc_at)));
}

}  // namespace pgcairn::postgres
