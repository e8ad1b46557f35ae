#include "wal/mark.hpp"

#include "wal/source.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/postgres/wal_end.hpp>
#include <pgcairn/postgres/wal_file.hpp>
#include <pgcairn/postgres/wal_records.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr std::uint64_t kPieceBytes = 4 * kMiB;

void read_pieces(const repo::WalContent& content, std::uint64_t bytes,
                 const std::function<void(Bytes piece, std::uint64_t at)>& visit) {
  Buffer piece;
  for (std::uint64_t at = 0; at < bytes; at += piece.size()) {
    piece.resize(std::min(kPieceBytes, bytes - at));
    content.read(at, piece.writable());
    visit(piece, at);
  }
}

/// Is the file the segment that its name says? The server renames files that it will use later.
bool is_segment(const repo::WalContent& content, const std::string& name, Lsn start,
                std::uint64_t segment_bytes) {
  if (content.size_bytes != segment_bytes) return false;
  Buffer head(postgres::kWalHeaderBytes);
  content.read(0, head.writable());
  try {
    return postgres::parse_wal_header(head, name).page_address == start;
  } catch (const Error&) {
    return false;  // zeros: made ahead
  }
}

}  // namespace

std::optional<WalMark> mark_wal(const std::filesystem::path& data_directory,
                                const std::string& segment, std::uint64_t segment_bytes,
                                std::optional<Lsn> end) {
  const auto parsed = parse_wal_segment_name(segment, segment_bytes);
  const auto source = WalSource::open_if_exists(data_directory / "pg_wal" / segment);
  if (!parsed || !source) return std::nullopt;
  const Lsn start{parsed->number * segment_bytes};
  const repo::WalContent content = source->content();
  if (!is_segment(content, segment, start, segment_bytes)) return std::nullopt;

  postgres::WalEndFinder finder(start);
  read_pieces(content, segment_bytes, [&](Bytes piece, std::uint64_t) { finder.add(piece); });
  finder.finish();
  // A server that writes it meanwhile may not have come to the end of a record that runs over.
  const Lsn written = finder.whole_records();
  if (written <= start || (end && written < *end)) return std::nullopt;

  WalMark mark{segment, end.value_or(written).value - start.value, {}, false};
  crypto::Hasher128 hasher;
  const Lsn until{start.value + mark.bytes};
  postgres::WalRecordReader records([&](const postgres::WalRecord& record) {
    mark.is_timed |= record.time.has_value() && record.end <= until && record.start >= start;
  });
  read_pieces(content, segment_bytes, [&](Bytes piece, std::uint64_t at) {
    if (at < mark.bytes)
      hasher.add(piece.first(std::min<std::uint64_t>(piece.size(), mark.bytes - at)));
    records.read(piece, Lsn{start.value + at});
  });
  mark.hash = hex(hasher.finish());
  // What the server recycled while it was read is not a mark of anything.
  const auto again = WalSource::open_if_exists(data_directory / "pg_wal" / segment);
  if (!again || !is_segment(again->content(), segment, start, segment_bytes)) return std::nullopt;
  return mark;
}

}  // namespace pgcairn::engine
