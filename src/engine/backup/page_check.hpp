#pragma once

#include <pgcairn/common/file.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/postgres/page.hpp>
#include <pgcairn/repo/backup_marker.hpp>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

namespace pgcairn::engine {

/// What a page is judged by while its cluster runs.
class PageRules {
 public:
  /// `current_wal` asks the server how far WAL has been written; called rarely, one call at a time.
  /// `checksums`: the cluster has them.
  PageRules(bool checksums, Lsn backup_start, std::function<Lsn()> current_wal)
      : checksums_(checksums), backup_start_(backup_start), current_wal_(std::move(current_wal)) {}

  bool checksums() const { return checksums_; }
  postgres::PageVerdict judge(const std::byte* page, std::uint32_t block);

  void set_prior_start(Lsn prior_start) { prior_start_ = prior_start; }
  /// A page that WAL summaries do not name differs from the older backup's: is there an innocent
  /// reason?
  bool explains_change(const std::byte* page) const;

 private:
  bool checksums_;
  Lsn backup_start_;
  std::function<Lsn()> current_wal_;
  Lsn prior_start_;
  std::mutex mutex_;
  std::atomic<std::uint64_t> wal_end_ = 0;  // the last answer of current_wal_
};

/// "3, 7", and how many more when there are many: for a line of the log.
std::string blocks_text(const repo::PageErrors& errors);

/// Judges the whole pages in `content`, which was read from `offset_bytes` of the file; a page that
/// looks bad is read again a few times, since a server that writes it at the same moment makes it
/// look so, and replaced in `content` by what was read last. Bad blocks are added to `errors`,
/// counted from the start of the relation.
void check_pages(PageRules& rules, const Fd& fd, const fs::path& path, std::uint32_t segment,
                 std::uint64_t offset_bytes, MutableBytes content, repo::PageErrors& errors);

}  // namespace pgcairn::engine
