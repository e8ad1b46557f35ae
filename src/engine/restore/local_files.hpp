#pragma once

#include "restore/batch.hpp"
#include "restore/roots.hpp"

#include <pgcairn/common/file.hpp>
#include <pgcairn/common/queue.hpp>
#include <pgcairn/engine/progress.hpp>
#include <pgcairn/repo/pack.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <vector>

namespace pgcairn::engine {

/// Reads what is in the places of a batch's files, each byte once, and notes in the batch what
/// of it can stay: files whose hash the manifest has as a whole, others by the hashes of units of
/// repo::kHashedBytes. Files that are too long are cut off. What cannot be written in place is
/// removed, so that it is written again: other content under a whole hash, hard links (other names
/// must keep their content), and what its owner may not open.
class LocalFiles {
 public:
  using PlaceOf = std::function<OpenPlace(const RestoreBatch::File&)>;
  /// Sets owner and mode of a file that stays; called from several threads.
  using Correct = std::function<void(const Fd&, const RestoreBatch::File&, const fs::path&)>;
  LocalFiles(RestoreBatch& batch, PlaceOf place_of, Correct correct, Progress& progress);

  /// The bytes that were read.
  std::uint64_t compare(unsigned threads, std::stop_token stop);

 private:
  struct Task {  // a range of a file
    std::uint32_t file;
    std::uint64_t start;
    std::uint64_t end;
  };
  void work(const Task& task, Buffer& buffer, std::stop_token stop);
  void compare_whole(RestoreBatch::File& file, const OpenPlace& place, Buffer& buffer,
                     std::stop_token stop);
  void hash_units(const Task& task, const Fd& fd, std::uint64_t local_bytes, const fs::path& path,
                  Buffer& buffer, std::stop_token stop);
  void read(const Fd& fd, std::uint64_t offset, std::uint64_t length, const fs::path& path,
            Buffer& buffer);

  RestoreBatch& batch_;
  PlaceOf place_of_;
  Correct correct_;
  Progress& progress_;
  std::atomic<std::uint64_t> read_bytes_ = 0;
};

/// A part of a file that is in one frame.
struct FramePart {
  std::uint32_t frame;
  std::uint32_t offset_bytes;
  std::uint32_t length_bytes;
  std::uint32_t file;  // position in RestoreBatch::files
  std::uint64_t file_offset_bytes;
};

/// What of `parts`, which are in the pack of this index, is not in its place already by the hashes
/// that LocalFiles noted.
std::vector<FramePart> different_parts(const RestoreBatch& batch,
                                       const std::vector<FramePart>& parts,
                                       const repo::PackIndex& index);

}  // namespace pgcairn::engine
