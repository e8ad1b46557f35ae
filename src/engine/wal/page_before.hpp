#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/postgres/wal_file.hpp>
#include <pgcairn/repo/repository.hpp>

#include <filesystem>
#include <span>
#include <string>

namespace pgcairn::engine {

/// The last page of the segment before the one that is handed out, which recovery had before: from
/// pg_wal, where the server keeps it, else from an archive, along the history of the segment's
/// timeline.
class PageBefore {
 public:
  PageBefore(std::string stanza, std::span<repo::Repository> repositories,
             const repo::Cluster& cluster, std::filesystem::path pg_wal)
      : stanza_(std::move(stanza)),
        repositories_(repositories),
        cluster_(cluster),
        pg_wal_(std::move(pg_wal)) {}

  /// `header`: of `segment`. Throws Error when the page cannot be had.
  Buffer read(const std::string& segment, const postgres::WalHeader& header) const;

 private:
  Timeline owner_of(Lsn position, Timeline timeline, FirstError& failure) const;
  Buffer history(const std::string& name, FirstError& failure) const;
  Buffer in_pg_wal(const std::string& name, std::uint64_t segment_bytes) const;
  Buffer in_archive(const std::string& name, FirstError& failure) const;

  std::string stanza_;
  std::span<repo::Repository> repositories_;
  const repo::Cluster& cluster_;
  std::filesystem::path pg_wal_;
};

}  // namespace pgcairn::engine
