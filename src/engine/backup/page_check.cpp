#include "backup/page_check.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/files.hpp>

#include <chrono>
#include <thread>

namespace pgcairn::engine {

using postgres::kPageBytes;
using postgres::PageVerdict;

PageVerdict PageRules::judge(const std::byte* page, std::uint32_t block) {
  // A page from after the last answer may be in flight or nonsense: only a new answer tells.
  const Lsn lsn = postgres::page_lsn(page);
  if (lsn.value > wal_end_ && lsn >= backup_start_) {
    std::lock_guard lock(mutex_);
    if (lsn.value > wal_end_) wal_end_ = current_wal_().value;
  }
  return postgres::judge_page(page, block, backup_start_, Lsn{wal_end_});
}

bool PageRules::explains_change(const std::byte* page) const {
  // A page's LSN is the end of the record that changed it last. Past this backup's start: replay
  // brings the change. Not past the older one's: not changed by WAL since, but in hint bits, the
  // cache in an SP-GiST metapage, or unused space that a standby fills otherwise.
  const Lsn lsn = postgres::page_lsn(page);
  return lsn > backup_start_ || lsn <= prior_start_;
}

namespace {

constexpr std::chrono::milliseconds kPauses[] = {
    std::chrono::milliseconds(1), std::chrono::milliseconds(10), std::chrono::milliseconds(50),
    std::chrono::milliseconds(100)};
// A file that is bad all over need not be waited for page by page.
constexpr std::uint64_t kPatientErrors = 16;

bool still_bad(PageRules& rules, const Fd& fd, const fs::path& path, std::uint64_t offset_bytes,
               std::uint32_t block, MutableBytes page, bool patient) {
  for (const auto pause : kPauses) {
    if (patient) std::this_thread::sleep_for(pause);
    // Cut off meanwhile: replay of the truncation takes the page away.
    if (read_at(fd, page, offset_bytes, path) < page.size()) return false;
    if (rules.judge(page.data(), block) != PageVerdict::bad) return false;
    if (!patient) break;
  }
  return true;
}

}  // namespace

void check_pages(PageRules& rules, const Fd& fd, const fs::path& path, std::uint32_t segment,
                 std::uint64_t offset_bytes, MutableBytes content, repo::PageErrors& errors) {
  if (!rules.checksums()) return;
  const auto first_block = segment * postgres::kRelationSegmentBlocks +
                           static_cast<std::uint32_t>(offset_bytes / kPageBytes);
  for (std::size_t i = 0; (i + 1) * kPageBytes <= content.size(); ++i) {
    const MutableBytes page = content.subspan(i * kPageBytes, kPageBytes);
    const auto block = first_block + static_cast<std::uint32_t>(i);
    if (rules.judge(page.data(), block) != PageVerdict::bad) continue;
    const bool patient = errors.count < kPatientErrors;
    if (!still_bad(rules, fd, path, offset_bytes + i * kPageBytes, block, page, patient)) continue;
    if (errors.blocks.size() < repo::kMostBlocksNamed) errors.blocks.push_back(block);
    ++errors.count;
  }
}

std::string blocks_text(const repo::PageErrors& errors) {
  constexpr std::size_t most_named = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(errors.blocks.size(), most_named); ++i)
    text += format("{}{}", i == 0 ? "" : ", ", errors.blocks[i]);
  if (errors.count > most_named) text += format(" and {} more", errors.count - most_named);
  return text;
}

}  // namespace pgcairn::engine
