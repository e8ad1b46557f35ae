#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/wal_summary.hpp>

#include <algorithm>
#include <array>

namespace pgcairn::postgres {

namespace {

// common/blkreftable.c: BLOCKREFTABLE_MAGIC, BlockRefTableSerializedEntry and what follows it.
// Integers are the machine's own, and pgcairn runs where the server does.
constexpr std::uint32_t kMagic = 0x652b137b;
constexpr std::size_t kEntryBytes = 24;
constexpr std::size_t kCrcBytes = 4;
constexpr std::uint32_t kForks = 4;
// Block numbers have 32 bits.
constexpr std::uint32_t kMostChunks = 65536;
// Offsets of 16 bits that would take as much as a bitmap: the chunk is one.
constexpr std::uint16_t kUsageOfBitmap = kSummaryBitmapBytes / 2;

constexpr std::string_view kSuffix = ".summary";

class SummaryParser {
 public:
  SummaryParser(Bytes bytes, const std::string& object) : bytes_(bytes), object_(object) {}

  void parse(const std::function<void(const SummaryEntry&)>& visit) {
    check_whole();
    position_ = sizeof kMagic;
    for (;;) {
      const std::uint64_t entry_at = position_;
      const Bytes raw = take(kEntryBytes);
      if (std::all_of(raw.begin(), raw.end(), [](std::byte b) { return b == std::byte{0}; })) break;
      visit(read_entry(raw, entry_at));
    }
    if (position_ != bytes_.size()) damaged(position_, "bytes follow the last entry");
  }

 private:
  [[noreturn]] void damaged(std::uint64_t offset, std::string_view cause) const {
    throw DamagedError(object_, offset, cause);
  }

  // Afterwards the checksum is not a part of bytes_.
  void check_whole() {
    if (bytes_.size() < sizeof kMagic + kEntryBytes + kCrcBytes)
      damaged(bytes_.size(), "too short for a WAL summary");
    if (load_le<std::uint32_t>(bytes_.data()) != kMagic)
      damaged(0, "not a WAL summary of PostgreSQL 17 to 19");
    const std::size_t crc_at = bytes_.size() - kCrcBytes;
    const auto stored = load_le<std::uint32_t>(bytes_.data() + crc_at);
    bytes_ = bytes_.first(crc_at);
    const std::uint32_t actual = crc32c(bytes_);
    if (stored != actual)
      damaged(crc_at, format("wrong checksum: {:08x}, computed {:08x}", stored, actual));
  }

  Bytes take(std::size_t count) {
    if (bytes_.size() - position_ < count) damaged(position_, "ends in the middle of an entry");
    const Bytes taken = bytes_.subspan(position_, count);
    position_ += count;
    return taken;
  }

  SummaryEntry read_entry(Bytes raw, std::uint64_t at) {
    std::array<std::uint32_t, 6> words;
    for (std::size_t i = 0; i < words.size(); ++i)
      words[i] = load_le<std::uint32_t>(raw.data() + 4 * i);
    const auto [space, database, relfilenode, fork, limit, chunk_count] = words;
    if (fork >= kForks) damaged(at, format("unknown fork {}", fork));
    if (chunk_count > kMostChunks) damaged(at, format("{} chunks in a relation", chunk_count));
    read_chunks(chunk_count);
    return {{space, database, relfilenode}, fork, limit, chunks_};
  }

  void read_chunks(std::uint32_t count) {
    chunks_.clear();
    const std::uint64_t usage_at = position_;
    const Bytes usage = take(count * sizeof(std::uint16_t));
    for (std::uint32_t number = 0; number < count; ++number) {
      const auto used = load_le<std::uint16_t>(usage.data() + 2 * std::size_t{number});
      if (used > kUsageOfBitmap) damaged(usage_at, format("{} entries in a chunk", used));
      if (used == 0) continue;
      chunks_.push_back({number, used == kUsageOfBitmap, take(used * sizeof(std::uint16_t))});
    }
  }

  Bytes bytes_;
  const std::string& object_;
  std::size_t position_ = 0;
  std::vector<SummaryChunk> chunks_;
};

/// Where WAL from `at` on can have its first record: behind the header of a page. The long one, of
/// a segment's first page, has 40 bytes, and no record fits into what it has more than the others.
Lsn first_record_from(Lsn at) {
  constexpr std::uint64_t kPageBytes = 8192;
  constexpr std::uint64_t kMostHeaderBytes = 40;
  return at.value % kPageBytes == 0 ? Lsn{at.value + kMostHeaderBytes} : at;
}

}  // namespace

void parse_wal_summary(Bytes bytes, const std::string& object,
                       const std::function<void(const SummaryEntry&)>& visit) {
  SummaryParser(bytes, object).parse(visit);
}

std::optional<TimelineRange> parse_wal_summary_name(std::string_view name) {
  constexpr std::size_t digits = 40;
  if (name.size() != digits + kSuffix.size() || name.substr(digits) != kSuffix ||
      name.substr(0, digits).find_first_not_of("0123456789ABCDEF") != std::string_view::npos)
    return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t count) {
    return parse_u64(name.substr(at, count), 16).value_or(0);
  };
  const TimelineRange range{static_cast<Timeline>(number(0, 8)), Lsn{number(8, 16)},
                            Lsn{number(24, 16)}};
  if (range.timeline == 0 || range.begin >= range.end) return std::nullopt;
  return range;
}

std::string wal_summary_name(const TimelineRange& range) {
  return format("{:08X}{:016X}{:016X}{}", range.timeline, range.begin.value, range.end.value,
                kSuffix);
}

SummaryCover cover_with_summaries(std::span<const TimelineRange> summaries,
                                  std::span<const TimelineRange> ranges) {
  std::vector<TimelineRange> sorted(summaries.begin(), summaries.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const TimelineRange& a, const TimelineRange& b) { return a.begin < b.begin; });
  SummaryCover cover;
  for (const TimelineRange& range : ranges) {
    Lsn covered = range.begin;
    Lsn resumed = range.end;  // where a summary goes on after the first gap
    for (const TimelineRange& summary : sorted) {
      const bool overlaps = summary.timeline == range.timeline && summary.end > range.begin &&
                            summary.begin < range.end;
      if (!overlaps) continue;
      cover.summaries.push_back(summary);
      if (summary.begin <= first_record_from(covered))
        covered = std::max(covered, summary.end);
      else
        resumed = std::min(resumed, summary.begin);
    }
    if (first_record_from(covered) < range.end && !cover.missing)
      cover.missing = TimelineRange{range.timeline, covered, resumed};
  }
  return cover;
}

}  // namespace pgcairn::postgres
