#include <pgcairn/common/text.hpp>
#include <pgcairn/common/wal.hpp>

namespace pgcairn {

namespace {

constexpr std::uint64_t kBytesPerLog = std::uint64_t{1} << 32;

bool is_upper_hex(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789ABCDEF") == std::string_view::npos;
}

}  // namespace

std::string to_string(Lsn lsn) {
  return format("{:X}/{:X}", lsn.value >> 32, lsn.value & 0xffffffff);
}

std::optional<Lsn> parse_lsn(std::string_view text) {
  const std::size_t slash = text.find('/');
  // Without a slash its place is npos, which is larger still.
  if (slash > 8 || text.size() - slash - 1 > 8) return std::nullopt;
  const auto high = parse_u64(text.substr(0, slash), 16);
  const auto low = parse_u64(text.substr(slash + 1), 16);
  if (!high || !low) return std::nullopt;
  return Lsn{(*high << 32) | *low};
}

std::string wal_segment_name(WalSegment segment, std::uint64_t segment_bytes) {
  const std::uint64_t per_log = kBytesPerLog / segment_bytes;
  return format("{:08X}{:08X}{:08X}", segment.timeline, segment.number / per_log,
                segment.number % per_log);
}

std::optional<WalSegment> parse_wal_segment_name(std::string_view name,
                                                 std::uint64_t segment_bytes) {
  if (name.size() != 24 || !is_upper_hex(name)) return std::nullopt;
  const std::uint64_t per_log = kBytesPerLog / segment_bytes;
  const auto timeline = parse_u64(name.substr(0, 8), 16);
  const auto log = parse_u64(name.substr(8, 8), 16);
  const auto in_log = parse_u64(name.substr(16, 8), 16);
  if (!timeline || !log || !in_log || *in_log >= per_log) return std::nullopt;
  return WalSegment{static_cast<Timeline>(*timeline), *log * per_log + *in_log};
}

WalSegment segment_of(Lsn lsn, Timeline timeline, std::uint64_t segment_bytes) {
  return {timeline, lsn.value / segment_bytes};
}

WalSegment segment_before(Lsn lsn, Timeline timeline, std::uint64_t segment_bytes) {
  return {timeline, (lsn.value - 1) / segment_bytes};
}

std::optional<WalFileKind> wal_file_kind(std::string_view name) {
  const std::size_t dot = name.find('.');
  const std::string_view stem = name.substr(0, dot);
  const std::string_view rest =
      dot == std::string_view::npos ? std::string_view{} : name.substr(dot + 1);
  if (!is_upper_hex(stem)) return std::nullopt;
  if (stem.size() == 8 && rest == "history") return WalFileKind::timeline_history;
  if (stem.size() != 24) return std::nullopt;
  if (dot == std::string_view::npos) return WalFileKind::segment;
  if (rest == "partial") return WalFileKind::partial;
  if (rest.size() == 15 && is_upper_hex(rest.substr(0, 8)) && rest.substr(8) == ".backup") {
    return WalFileKind::backup_history;
  }
  return std::nullopt;
}

}  // namespace pgcairn
