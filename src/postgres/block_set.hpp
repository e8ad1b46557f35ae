#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/postgres/wal_summary.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <span>

namespace pgcairn::postgres {

/// One of a relation's chunks; the relation is its number in the table of relations.
struct ChunkKey {
  std::uint32_t relation = 0;
  std::uint32_t number = 0;
  bool operator==(const ChunkKey&) const = default;
};

/// Which of a relation's blocks are marked, among the 65 536 of one chunk. 16 bytes as long as
/// there are at most four; then sorted offsets in memory of their own; a bitmap from where that is
/// not larger. Grows only.
class BlockSet {
 public:
  explicit BlockSet(const ChunkKey& key)
      : relation_(key.relation), number_(static_cast<std::uint16_t>(key.number)) {}
  ~BlockSet();
  BlockSet(const BlockSet&) = delete;
  BlockSet& operator=(const BlockSet&) = delete;

  ChunkKey key() const { return {relation_, number_}; }

  void add(const SummaryChunk& chunk);
  /// The first marked offset at or after `from`.
  std::optional<std::uint32_t> next(std::uint32_t from) const;
  /// How many marked offsets are below `end`.
  std::uint32_t count_below(std::uint32_t end) const;
  /// Of its own, beside the object.
  std::uint64_t memory_bytes() const;

 private:
  static constexpr std::uint16_t kMostInline = 4;
  // Memory for offsets comes in powers of two: above this many it would be that of a bitmap.
  static constexpr std::uint16_t kMostOffsets = kSummaryBitmapBytes / sizeof(std::uint16_t) / 2;
  static constexpr std::uint16_t kIsBitmap = kMostOffsets + 1;  // in count_
  static constexpr std::size_t kWords = kSummaryBitmapBytes / sizeof(std::uint64_t);

  bool is_bitmap() const { return count_ == kIsBitmap; }
  std::span<const std::uint16_t> offsets() const;
  void add_sorted(std::span<const std::uint16_t> more);
  void replace(std::span<const std::uint16_t> offsets);
  void become_bitmap();
  void release();

  std::uint32_t relation_;
  std::uint16_t number_;
  std::uint16_t count_ = 0;
  union {
    std::array<std::uint16_t, kMostInline> inline_{};
    std::uint16_t* offsets_;
    std::uint64_t* bits_;
  };
};

}  // namespace pgcairn::postgres
