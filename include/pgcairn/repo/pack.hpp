#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/repo/frame.hpp>
#include <pgcairn/storage/driver.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::repo {

// Packs: pgcairn-repository(5), PACKS.

inline constexpr std::size_t kMostPackBytes = 64 * kMiB;
inline constexpr std::uint32_t kMostPackFrames = 16384;
inline constexpr std::size_t kMostFrameBytes = 256 * kKiB;  // of payload, decompressed
inline constexpr std::size_t kPackFooterBytes = 32;
inline constexpr std::size_t kHashedBytes =
    8192;  // each hash in an index covers this number of bytes of payload

/// A run of a file's bytes inside a frame's payload.
struct Run {
  std::uint64_t offset_bytes = 0;  // in the file
  std::uint64_t length_bytes = 0;
};
/// The pieces of one file in a frame's payload.
struct Piece {
  std::string path;
  std::vector<Run> runs;
};
/// The about part of a data frame, and back.
std::string write_pieces(std::span<const Piece> pieces);
std::vector<Piece> read_pieces(Bytes about, const std::string& object, std::uint64_t offset);

/// A finished pack, ready to be put.
struct Pack {
  std::uint32_t number = 0;
  Buffer body;
  std::uint64_t index_offset = 0;
  std::uint32_t index_bytes = 0;
  std::optional<Binding> seal{};  // of a sealed pack
};

/// Fills one pack. Not for several threads at once.
class PackBuilder {
 public:
  /// `body` is an empty buffer whose memory is used again.
  PackBuilder(std::uint32_t number, const SealContext& seal_context, std::string_view key,
              compress::Codec& codec, std::size_t target_bytes, Buffer body);

  /// Appends a frame of at most 256 KiB; its number.
  std::uint32_t add(Bytes raw, std::string_view about);
  /// True when the next frame belongs in a new pack.
  bool full() const;
  bool empty() const { return writer_.count() == 0; }
  std::uint32_t number() const { return number_; }
  /// Index and footer; the builder is spent.
  Pack finish();

 private:
  std::uint32_t number_;
  FrameWriter writer_;
  std::size_t target_bytes_;
  Buffer body_;
  struct Entry {
    std::uint32_t whole_bytes;
    std::uint32_t raw_bytes;
  };
  std::vector<Entry> frames_;
  std::vector<std::uint64_t> hashes_;
};

/// The index of a pack: where its frames are.
class PackIndex {
 public:
  /// One read of this many bytes at the end of a pack fetches footer and index of nearly every
  /// pack.
  static constexpr std::uint64_t kTailBytes = 256 * kKiB;

  /// Reads footer and index: at most two requests, the first for `tail_bytes`. `pack_bytes` is the
  /// size that the object must have. Throws DamagedError, also when there is no such pack: a
  /// manifest names it. `seal` is what the manifest says of a sealed one.
  static PackIndex load(storage::Driver& driver, const SealContext& seal_context,
                        const std::string& key, std::uint64_t pack_bytes,
                        std::uint64_t tail_bytes = kTailBytes, std::optional<Binding> seal = {});

  /// The same from all bytes of a pack.
  static PackIndex parse(Bytes pack, const SealContext& seal_context, const std::string& key,
                         std::optional<Binding> seal = {});

  /// The same frames with the same content and, where both are sealed, the same binding.
  bool operator==(const PackIndex& other) const;
  /// Of a sealed pack.
  std::optional<Binding> seal() const { return seal_; }
  std::uint32_t frames() const { return static_cast<std::uint32_t>(raw_bytes_.size()); }
  std::uint64_t offset(std::uint32_t frame) const { return offsets_[frame]; }
  std::uint64_t end(std::uint32_t frame) const { return offsets_[frame + 1]; }
  std::uint32_t raw_bytes(std::uint32_t frame) const { return raw_bytes_[frame]; }
  std::span<const std::uint64_t> hashes(std::uint32_t frame) const;
  /// Throws DamagedError naming `key` unless `raw` is what the frame's hashes were made of.
  void check(std::uint32_t frame, Bytes raw, const std::string& key) const;

 private:
  static PackIndex from_frame(Bytes bytes, std::uint64_t offset, std::uint32_t frames,
                              FrameReader&& reader);
  std::optional<Binding> seal_;
  std::vector<std::uint64_t> offsets_;       // frames + 1
  std::vector<std::uint32_t> raw_bytes_;     // frames
  std::vector<std::uint32_t> first_hashes_;  // frames + 1
  std::vector<std::uint64_t> hashes_;
};

}  // namespace pgcairn::repo
