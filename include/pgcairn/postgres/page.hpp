#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/wal.hpp>

#include <cstdint>

namespace pgcairn::postgres {

/// The checksum of an 8 KiB page as PostgreSQL stores it in pd_checksum (storage/checksum_impl.h);
/// `block` counts from the start of the relation, not of the segment file. The page's own checksum
/// field counts as zero; the page is not changed.
std::uint16_t page_checksum(const std::byte* page, std::uint32_t block);

enum class PageVerdict {
  good,       // the checksum fits, or the page is new (all zero)
  in_flight,  // changed since the backup began (pd_lsn at or after its start): replay repairs it
  bad,        // the checksum does not fit, or a new page is not all zero
};

/// Judges one page as read while the cluster runs. `backup_start` as of BackupStart. A caller that
/// gets `bad` reads the page again before believing it. A page whose LSN lies after `wal_end` (WAL
/// written when it was judged) is bad, not in flight; pass Lsn{UINT64_MAX} when not known.
PageVerdict judge_page(const std::byte* page, std::uint32_t block, Lsn backup_start, Lsn wal_end);

Lsn page_lsn(const std::byte* page);

}  // namespace pgcairn::postgres
