#pragma once

#include <pgcairn/common/queue.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack.hpp>
#include <pgcairn/repo/repository.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// Puts the packs of one backup while workers fill the next ones. Memory: a pack for each worker,
/// one for each upload, one waiting.
class PackWriter {
 public:
  /// Packs are bound to `repository`; without `put` they are put there.
  PackWriter(repo::Repository& repository, std::string stanza, std::string label,
             std::size_t pack_bytes, repo::PutObject put = {});

  /// Starts `uploads` threads in `workers`, which must end before this does.
  void start(Workers& workers, unsigned uploads);

  /// An empty pack with the next number.
  repo::PackBuilder open(compress::Codec& codec);
  /// Hands a full one over; waits when uploads are behind.
  void put(repo::PackBuilder&& builder);
  /// No more packs come: the uploading threads end when all are durable.
  void close() { queue_.close(); }

  /// After the workers have been joined: what was stored, by number.
  std::vector<repo::ManifestPack> stored();
  std::uint64_t stored_bytes() const { return stored_bytes_; }

 private:
  void upload(std::stop_token stop);
  std::string key(std::uint32_t number) const;

  repo::Repository& repository_;
  std::string stanza_;
  std::string label_;
  std::size_t pack_bytes_;
  repo::PutObject put_;
  std::stop_token stop_;
  BoundedQueue<repo::Pack> queue_{1};
  std::atomic<std::uint32_t> next_number_ = 0;
  std::atomic<std::uint64_t> stored_bytes_ = 0;
  std::mutex mutex_;
  std::vector<Buffer> spare_;
  std::vector<repo::ManifestPack> stored_;
};

/// Gathers pieces of files into frames of `frame_bytes`, and frames into packs. One for each
/// thread.
class FrameFiller {
 public:
  FrameFiller(PackWriter& store, compress::CodecId codec, int level, std::uint32_t frame_bytes);

  /// Adds bytes of a file and appends to `map` where they will be. Pieces share frames until
  /// flush().
  void add(const std::string& path, std::uint64_t offset_bytes, Bytes content,
           std::vector<repo::Extent>& map);
  /// Closes the frame that is being filled.
  void flush();
  /// flush(), and hands over the pack that is being filled.
  void finish();

 private:
  void open_pack();
  void close_frame(Bytes content);
  void note_piece(const std::string& path, std::uint64_t offset_bytes, std::uint64_t length_bytes);

  PackWriter& store_;
  std::unique_ptr<compress::Codec> codec_;
  std::uint32_t frame_bytes_;
  std::optional<repo::PackBuilder> pack_;
  std::uint32_t next_frame_ = 0;
  Buffer gathered_;
  std::vector<repo::Piece> pieces_;
  std::size_t about_bytes_ = 0;  // at most what pieces_ will take
};

}  // namespace pgcairn::engine
