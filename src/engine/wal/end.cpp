#include "wal/end.hpp"

#include <pgcairn/common/parallel.hpp>
#include <pgcairn/postgres/wal_records.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr std::uint64_t kMostBytesAtOnce = 256 * kMiB;

Lsn start_of(const std::string& name, std::uint64_t segment_bytes) {
  return Lsn{parse_wal_segment_name(name.substr(0, 24), segment_bytes)->number * segment_bytes};
}

}  // namespace

WalEnd find_wal_end(const WalStretch& wal, std::size_t workers,
                    const std::function<bool(std::size_t)>& go_on,
                    const std::function<Buffer(const std::string&)>& read) {
  WalEnd end;
  const std::size_t most = std::clamp<std::size_t>(kMostBytesAtOnce / wal.segment_bytes, 1,
                                                   std::max<std::size_t>(workers, 1));
  const auto visit = [&](const postgres::WalRecord& record) {
    if (record.start >= wal.to) return;
    end.last_record = std::max(end.last_record, record.start);
    const bool ends_transaction = record.kind == postgres::WalRecord::Kind::commit ||
                                  record.kind == postgres::WalRecord::Kind::abort;
    if (!ends_transaction || record.start < wal.from) return;
    if (!end.last_commit || *record.time > *end.last_commit) end.last_commit = record.time;
  };
  Buffer after;  // the segment after those that are read next: a record may run into it
  std::size_t left = wal.names.size();
  for (std::size_t at_once = 1; left > 0; at_once = std::min(2 * at_once, most)) {
    if (end.last_commit || !go_on(wal.names.size() - left)) return end;
    const std::size_t count = std::min(at_once, left);
    left -= count;
    std::vector<Buffer> contents(count);
    for_each_index(count, count, {},
                   [&](std::size_t i) { contents[i] = read(wal.names[left + i]); });
    postgres::WalRecordReader reader(visit);
    for (std::size_t i = 0; i < count; ++i)
      reader.read(contents[i], start_of(wal.names[left + i], wal.segment_bytes));
    if (left + count < wal.names.size())
      reader.read(after, start_of(wal.names[left + count], wal.segment_bytes));
    after = std::move(contents.front());
  }
  end.whole = true;
  return end;
}

}  // namespace pgcairn::engine
