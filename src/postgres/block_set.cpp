#include "block_set.hpp"

#include <pgcairn/common/error.hpp>

#include <algorithm>
#include <bit>
#include <iterator>

namespace pgcairn::postgres {

namespace {

constexpr std::uint32_t kWordBits = 64;

// Memory for this many offsets.
std::size_t capacity_for(std::size_t count) {
  return std::bit_ceil(count);
}

void set_bit(std::uint64_t* bits, std::uint32_t offset) {
  bits[offset / kWordBits] |= std::uint64_t{1} << (offset % kWordBits);
}

}  // namespace

BlockSet::~BlockSet() {
  release();
}

void BlockSet::release() {
  if (is_bitmap())
    delete[] bits_;
  else if (count_ > kMostInline)
    delete[] offsets_;
}

std::span<const std::uint16_t> BlockSet::offsets() const {
  return {count_ > kMostInline ? offsets_ : inline_.data(), count_};
}

void BlockSet::add(const SummaryChunk& chunk) {
  if (chunk.is_bitmap) {
    PGCAIRN_ASSERT(chunk.data.size() == kSummaryBitmapBytes);
    become_bitmap();
    for (std::size_t i = 0; i < kWords; ++i)
      bits_[i] |= load_le<std::uint64_t>(chunk.data.data() + i * sizeof(std::uint64_t));
    return;
  }
  const std::size_t count = chunk.data.size() / sizeof(std::uint16_t);
  const auto offset = [&](std::size_t i) {
    return load_le<std::uint16_t>(chunk.data.data() + i * sizeof(std::uint16_t));
  };
  if (count > kMostOffsets) become_bitmap();
  if (is_bitmap()) {
    for (std::size_t i = 0; i < count; ++i) set_bit(bits_, offset(i));
    return;
  }
  std::array<std::uint16_t, kMostOffsets> sorted;
  for (std::size_t i = 0; i < count; ++i) sorted[i] = offset(i);
  const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(count);
  std::sort(sorted.begin(), end);
  add_sorted({sorted.begin(), std::unique(sorted.begin(), end)});
}

void BlockSet::add_sorted(std::span<const std::uint16_t> more) {
  const std::span<const std::uint16_t> have = offsets();
  std::array<std::uint16_t, 2 * std::size_t{kMostOffsets}> both;
  const auto end = std::set_union(have.begin(), have.end(), more.begin(), more.end(), both.begin());
  const std::span<const std::uint16_t> joined(both.begin(), end);
  if (joined.size() == have.size()) return;
  if (joined.size() <= kMostOffsets) return replace(joined);
  become_bitmap();
  for (const std::uint16_t offset : more) set_bit(bits_, offset);
}

// `offsets` are not fewer than before.
void BlockSet::replace(std::span<const std::uint16_t> offsets) {
  const std::size_t capacity = capacity_for(offsets.size());
  if (offsets.size() <= kMostInline) {
    std::copy(offsets.begin(), offsets.end(), inline_.begin());
  } else {
    if (count_ <= kMostInline || capacity > capacity_for(count_)) {
      auto* const larger = new std::uint16_t[capacity];
      release();
      offsets_ = larger;
    }
    std::copy(offsets.begin(), offsets.end(), offsets_);
  }
  count_ = static_cast<std::uint16_t>(offsets.size());
}

void BlockSet::become_bitmap() {
  if (is_bitmap()) return;
  auto* const bits = new std::uint64_t[kWords]();
  for (const std::uint16_t offset : offsets()) set_bit(bits, offset);
  release();
  bits_ = bits;
  count_ = kIsBitmap;
}

std::optional<std::uint32_t> BlockSet::next(std::uint32_t from) const {
  if (from >= kSummaryChunkBlocks) return std::nullopt;
  if (!is_bitmap()) {
    const auto all = offsets();
    const auto found = std::lower_bound(all.begin(), all.end(), from);
    if (found == all.end()) return std::nullopt;
    return *found;
  }
  std::size_t word = from / kWordBits;
  std::uint64_t rest = bits_[word] >> (from % kWordBits) << (from % kWordBits);
  while (rest == 0) {
    if (++word == kWords) return std::nullopt;
    rest = bits_[word];
  }
  return static_cast<std::uint32_t>(word * kWordBits) +
         static_cast<std::uint32_t>(std::countr_zero(rest));
}

std::uint32_t BlockSet::count_below(std::uint32_t end) const {
  if (!is_bitmap()) {
    const auto all = offsets();
    return static_cast<std::uint32_t>(std::lower_bound(all.begin(), all.end(), end) - all.begin());
  }
  end = std::min(end, kSummaryChunkBlocks);
  std::uint32_t count = 0;
  for (std::uint32_t word = 0; word < end / kWordBits; ++word)
    count += static_cast<std::uint32_t>(std::popcount(bits_[word]));
  if (end % kWordBits != 0) {
    const std::uint64_t below = (std::uint64_t{1} << (end % kWordBits)) - 1;
    count += static_cast<std::uint32_t>(std::popcount(bits_[end / kWordBits] & below));
  }
  return count;
}

std::uint64_t BlockSet::memory_bytes() const {
  if (is_bitmap()) return kSummaryBitmapBytes;
  return count_ > kMostInline ? capacity_for(count_) * sizeof(std::uint16_t) : 0;
}

}  // namespace pgcairn::postgres
