#pragma once

#include <pgcairn/repo/manifest.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace pgcairn::repo {

// Algebra of page maps: pgcairn-repository(5), MANIFEST, "map".

/// Appends `extent` to `map`, as part of the last extent where it goes on from there. `frame_bytes`
/// is that of the extent's backup.
void append_extent(std::vector<Extent>& map, const Extent& extent, std::uint32_t frame_bytes);

/// Where the bytes of one file are; answers for any part of it. Valid while what it was made from
/// lives.
class FileMap {
 public:
  FileMap(std::span<const Extent> extents, std::span<const ManifestRef> refs);

  std::uint64_t size_bytes() const { return starts_.back(); }
  /// Appends the extents of [offset, offset + length), which must lie inside the file.
  void append_slice(std::uint64_t offset_bytes, std::uint64_t length_bytes,
                    std::vector<Extent>& out) const;
  /// Where the byte at `offset` is: an extent that begins there and ends with its frame or sooner.
  Extent at(std::uint64_t offset_bytes) const;

 private:
  std::size_t find(std::uint64_t offset_bytes) const;
  Extent part(std::size_t extent, std::uint64_t skip_bytes, std::uint64_t length_bytes) const;

  std::span<const Extent> extents_;
  std::span<const ManifestRef> refs_;
  std::vector<std::uint64_t> starts_;  // of each extent in the file, and the end
};

}  // namespace pgcairn::repo
