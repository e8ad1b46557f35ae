#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/file_map.hpp>

#include <algorithm>

namespace pgcairn::repo {

void append_extent(std::vector<Extent>& map, const Extent& extent, std::uint32_t frame_bytes) {
  if (!map.empty()) {
    Extent& last = map.back();
    const std::uint64_t last_end =
        std::uint64_t{last.frame} * frame_bytes + last.offset_bytes + last.length_bytes;
    const std::uint64_t start = std::uint64_t{extent.frame} * frame_bytes + extent.offset_bytes;
    // Ending at a multiple of the frame size means that the last frame is full, so that the next
    // one follows it.
    if (last.ref == extent.ref && last.pack == extent.pack && last_end == start) {
      last.length_bytes += extent.length_bytes;
      return;
    }
  }
  map.push_back(extent);
}

FileMap::FileMap(std::span<const Extent> extents, std::span<const ManifestRef> refs)
    : extents_(extents), refs_(refs) {
  starts_.reserve(extents.size() + 1);
  std::uint64_t at = 0;
  for (const Extent& extent : extents) {
    starts_.push_back(at);
    at += extent.length_bytes;
  }
  starts_.push_back(at);
}

std::size_t FileMap::find(std::uint64_t offset_bytes) const {
  PGCAIRN_ASSERT(offset_bytes < size_bytes());
  const auto after = std::upper_bound(starts_.begin(), starts_.end(), offset_bytes);
  return static_cast<std::size_t>(after - starts_.begin()) - 1;
}

Extent FileMap::part(std::size_t extent, std::uint64_t skip_bytes,
                     std::uint64_t length_bytes) const {
  Extent found = extents_[extent];
  const std::uint32_t frame_bytes = refs_[found.ref].frame_bytes;
  const std::uint64_t position = found.offset_bytes + skip_bytes;
  found.frame += static_cast<std::uint32_t>(position / frame_bytes);
  found.offset_bytes = static_cast<std::uint32_t>(position % frame_bytes);
  found.length_bytes = length_bytes;
  return found;
}

void FileMap::append_slice(std::uint64_t offset_bytes, std::uint64_t length_bytes,
                           std::vector<Extent>& out) const {
  PGCAIRN_ASSERT(offset_bytes + length_bytes <= size_bytes());
  while (length_bytes > 0) {
    const std::size_t extent = find(offset_bytes);
    const std::uint64_t taken = std::min(length_bytes, starts_[extent + 1] - offset_bytes);
    append_extent(out, part(extent, offset_bytes - starts_[extent], taken),
                  refs_[extents_[extent].ref].frame_bytes);
    offset_bytes += taken;
    length_bytes -= taken;
  }
}

Extent FileMap::at(std::uint64_t offset_bytes) const {
  const std::size_t extent = find(offset_bytes);
  Extent found = part(extent, offset_bytes - starts_[extent], starts_[extent + 1] - offset_bytes);
  const std::uint64_t in_frame = refs_[found.ref].frame_bytes - found.offset_bytes;
  found.length_bytes = std::min(found.length_bytes, in_frame);
  return found;
}

}  // namespace pgcairn::repo
