#include "wal/compare.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/postgres/wal_records.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr std::uint64_t kPageHeaderBytes = 24;
constexpr std::uint64_t kSegmentHeaderBytes = 40;  // of the first page of a segment

/// Where the log parted: what differs in the header of a page differs because of what precedes it.
Lsn parted_at(Lsn differ_at, Lsn segment_start) {
  const std::uint64_t in_page = differ_at.value % postgres::kWalPageBytes;
  const Lsn page{differ_at.value - in_page};
  const std::uint64_t header = page == segment_start ? kSegmentHeaderBytes : kPageHeaderBytes;
  return in_page < header ? page : differ_at;
}

}  // namespace

void WalComparer::add(Bytes ours, Bytes archived) {
  PGCAIRN_ASSERT(ours.size() == archived.size());
  if (!differ_) {
    const auto found = std::mismatch(ours.begin(), ours.end(), archived.begin());
    differ_ = found.first != ours.end();
    differ_at_ = Lsn{at_.value + static_cast<std::uint64_t>(found.first - ours.begin())};
  }
  ours_.add(ours);
  archived_.add(archived);
  at_.value += ours.size();
}

WalComparison WalComparer::finish() {
  WalComparison result;
  result.differ_at = differ_ ? parted_at(differ_at_, start_) : at_;
  if (!differ_) return result;
  const postgres::WalEnd ours = ours_.finish();
  const postgres::WalEnd archived = archived_.finish();
  result.ours_end = ours.records;
  result.archived_end = archived.records;
  result.relation = WalRelation::parted;
  // Without a record that begins here nothing tells WAL from what an earlier use of the file left.
  const Lsn common = std::min(ours.records, archived.records);
  if (ours.goes_on || archived.goes_on || common <= start_ || differ_at_ < common) return result;
  if (ours.records == archived.records)
    result.relation = WalRelation::same_records;
  else
    result.relation =
        ours.records < archived.records ? WalRelation::ours_is_part : WalRelation::ours_has_more;
  return result;
}

}  // namespace pgcairn::engine
