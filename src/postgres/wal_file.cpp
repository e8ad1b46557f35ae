#include "history_lines.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/wal_file.hpp>

#include <bit>

namespace pgcairn::postgres {

namespace {

// XLogLongPageHeaderData (access/xlog_internal.h), little-endian.
constexpr std::size_t kMagicAt = 0;
constexpr std::size_t kInfoAt = 2;
constexpr std::size_t kTimelineAt = 4;
constexpr std::size_t kPageAddressAt = 8;
constexpr std::size_t kSystemIdAt = 24;
constexpr std::size_t kSegmentBytesAt = 32;
constexpr std::size_t kBlockBytesAt = 36;
constexpr std::uint16_t kLongHeader = 0x0002;  // XLP_LONG_HEADER

struct Magic {
  std::uint16_t magic;
  int major;
};
constexpr Magic kMagics[] = {{0xD106, 13}, {0xD10D, 14}, {0xD110, 15}, {0xD113, 16},
                             {0xD116, 17}, {0xD118, 18}, {0xD122, 19}};

constexpr std::string_view kWrongClusterHint =
    "check that archive_command names the stanza of this cluster";
constexpr std::string_view kWrongFileHint =
    "the file is cut short, renamed, or not yet written by the server: compare it with pg_wal";

/// Versions of WAL are numbered upward in the lower byte: a higher one is not damage.
[[noreturn]] void refuse_magic(std::uint16_t magic, const std::string& object) {
  const Magic newest = std::end(kMagics)[-1];
  if (magic > newest.magic && magic >> 8 == newest.magic >> 8) {
    throw PostgresError(
        format("cannot read \"{}\": it is WAL of a PostgreSQL newer than {} (page magic {:04X})",
               object, newest.major, magic),
        "use a pgcairn that supports this version of PostgreSQL");
  }
  throw DamagedError(
      object, kMagicAt,
      format("{:04X} does not begin a WAL segment of PostgreSQL 13 to {}", magic, newest.major));
}

[[noreturn]] void mismatch(std::string_view name, std::string_view what, std::string_view is,
                           std::string_view expected, std::string_view hint) {
  throw Error(format("cannot accept \"{}\": its {} is {}, expected {}", name, what, is, expected),
              std::string(hint));
}

}  // namespace

WalHeader parse_wal_header(Bytes bytes, const std::string& object) {
  if (bytes.size() < kWalHeaderBytes) {
    throw DamagedError(object, bytes.size(), "ends within the header of a WAL segment");
  }
  WalHeader header;
  const auto magic = load_le<std::uint16_t>(bytes.data() + kMagicAt);
  for (const Magic& known : kMagics) {
    if (known.magic == magic) header.major = known.major;
  }
  if (header.major == 0) refuse_magic(magic, object);
  if ((load_le<std::uint16_t>(bytes.data() + kInfoAt) & kLongHeader) == 0) {
    throw DamagedError(object, kInfoAt, "the first page has no long header");
  }
  header.timeline = load_le<Timeline>(bytes.data() + kTimelineAt);
  header.page_address = Lsn{load_le<std::uint64_t>(bytes.data() + kPageAddressAt)};
  header.system_id = load_le<SystemId>(bytes.data() + kSystemIdAt);
  header.segment_bytes = load_le<std::uint32_t>(bytes.data() + kSegmentBytesAt);
  if (header.timeline == 0) throw DamagedError(object, kTimelineAt, "the timeline is 0");
  if (!std::has_single_bit(header.segment_bytes) || header.segment_bytes < kMiB ||
      header.segment_bytes > kGiB) {
    throw DamagedError(
        object, kSegmentBytesAt,
        format("{} bytes is not a valid size of a WAL segment", header.segment_bytes));
  }
  const auto block_bytes = load_le<std::uint32_t>(bytes.data() + kBlockBytesAt);
  if (!std::has_single_bit(block_bytes) || block_bytes < kKiB || block_bytes > 64 * kKiB) {
    throw DamagedError(object, kBlockBytesAt,
                       format("{} bytes is not a valid size of a WAL page", block_bytes));
  }
  return header;
}

void check_wal_segment(Bytes start, std::uint64_t size_bytes, std::string_view name,
                       SystemId system_id, int major) {
  const WalHeader header = parse_wal_header(start, std::string(name));
  if (header.major != major) {
    mismatch(name, "PostgreSQL version", format("{}", header.major), format("{}", major),
             kWrongClusterHint);
  }
  if (header.system_id != system_id) {
    mismatch(name, "system identifier", format("{}", header.system_id), format("{}", system_id),
             kWrongClusterHint);
  }
  if (size_bytes != header.segment_bytes) {
    mismatch(name, "length", format("{} bytes", size_bytes),
             format("{} as its header says", header.segment_bytes), kWrongFileHint);
  }
  const auto kind = wal_file_kind(name);
  const auto segment = parse_wal_segment_name(name.substr(0, 24), header.segment_bytes);
  if (!segment || (kind != WalFileKind::segment && kind != WalFileKind::partial)) {
    throw Error(format("cannot accept \"{}\": no WAL segment of {} bytes has this name", name,
                       header.segment_bytes),
                "pass the path that PostgreSQL gives archive_command as %p");
  }
  const Lsn first{segment->number * header.segment_bytes};
  if (header.page_address != first) {
    mismatch(name, "first address", to_string(header.page_address), to_string(first),
             kWrongFileHint);
  }
  // A promotion copies the last segment of the old timeline and begins the new one within it: its
  // first page still names an ancestor.
  if (header.timeline > segment->timeline) {
    mismatch(name, "timeline", format("{}", header.timeline),
             format("{} or an ancestor", segment->timeline), kWrongFileHint);
  }
}

void check_timeline_history(Bytes bytes, std::string_view name) {
  const auto own = wal_file_kind(name) == WalFileKind::timeline_history
                       ? parse_u64(name.substr(0, 8), 16)
                       : std::nullopt;
  if (!own) {
    throw Error(format("cannot accept \"{}\": no timeline history has this name", name),
                "pass the path that PostgreSQL gives archive_command as %p");
  }
  std::vector<TimelineEntry> entries;
  const auto fault = read_history_lines(as_text(bytes), static_cast<Timeline>(*own), entries);
  if (fault) {
    throw Error(format("cannot accept \"{}\": line {}: {}", name, fault->line, fault->cause),
                "compare the file with the one in pg_wal of the server that was promoted");
  }
}

}  // namespace pgcairn::postgres
