#pragma once

#include "backup/copier.hpp"

#include <pgcairn/common/file.hpp>
#include <pgcairn/repo/file_map.hpp>

namespace pgcairn::engine {

/// A file on its way. Each thread writes its own part; the one that finishes last marks it
/// done.
struct Copier::Job {
  postgres::SourceFile source;
  FilePlan plan;
  std::optional<repo::FileMap> prior_map;  // of plan.prior
  Fd fd;  // large files: opened once, so that a file dropped meanwhile can still be read
  std::vector<Part> parts;
  std::uint64_t size_bytes = 0;
  std::string hash;
  bool vanished = false;
  std::atomic<std::size_t> parts_left = 0;
  bool done = false;  // under the copier's mutex

  bool pages() const { return source.relation.has_value(); }
  std::uint32_t segment() const { return source.relation ? source.relation->segment : 0; }
};

/// Opens a file of the cluster; nothing when it was dropped since it was listed.
std::optional<Fd> open_source(const postgres::SourceFile& source, const fs::path& data_directory);

/// The part of a file that one thread copies at a time, and where its bytes went.
struct Copier::Part {
  std::vector<repo::Extent> map;
  repo::PageErrors errors;
};

/// What one copying thread has to itself.
class Copier::Thread {
 public:
  explicit Thread(Copier& copier);

  void copy_range(Job& job, std::size_t range);
  void copy_small(Job& job);
  void flush() { filler_.flush(); }
  void finish() { filler_.finish(); }

  static constexpr std::uint64_t kRangeBytes = 16 * kMiB;  // of a large file

 private:
  void copy(Job& job, const Fd& fd, std::uint64_t start, std::uint64_t end, Part& part);
  void copy_whole(Job& job, const Fd& fd, std::uint64_t start, std::uint64_t end, Part& part);
  void copy_blocks(Job& job, const Fd& fd, std::uint64_t start, std::uint64_t end, Part& part);
  void copy_different_pages(Job& job, const Fd& fd, std::uint64_t start, std::uint64_t end,
                            Part& part);
  bool same_content(Job& job, const Fd& fd);
  bool sample_holds(Job& job, const Fd& fd, std::uint64_t offset);
  void check_samples(Job& job, const Fd& fd, std::uint64_t start, std::uint64_t end);
  std::size_t read(Job& job, const Fd& fd, std::uint64_t offset, std::uint64_t length, Part& part);
  void inherit(Job& job, std::uint64_t offset, std::uint64_t length, Part& part);
  void store(Job& job, std::uint64_t offset, Bytes content, Part& part);
  bool as_before(Job& job, std::uint64_t offset, Bytes page);

  Copier& copier_;
  FrameFiller filler_;
  Buffer buffer_;
};

}  // namespace pgcairn::engine
