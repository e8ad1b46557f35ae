#pragma once

#include <pgcairn/engine/verify/verify.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The decompressed sizes of a pack's frames, as its index tells them. Nearly all frames are as
/// long as the ones before them: equal ones are kept once.
class FrameSizes {
 public:
  FrameSizes() = default;
  explicit FrameSizes(const repo::PackIndex& index);

  /// What is wrong with an extent in the pack, in words; nothing when each byte of it is there.
  std::string what_is_wrong(const repo::Extent& extent, std::uint32_t frame_bytes) const;

 private:
  struct Run {
    std::uint32_t raw_bytes;
    std::uint32_t frames;
  };
  std::vector<Run> runs_;
};

/// By the pack's key.
using PackShapes = std::map<std::string, FrameSizes>;

/// Compares the maps of a manifest with the packs that were opened: each extent of each file must
/// be there. At most `kMostWrongMaps` are reported, and nothing of packs that are not in `shapes`.
inline constexpr std::size_t kMostWrongMaps = 20;
std::vector<Damage> wrong_maps(repo::ManifestReader& manifest, const std::string& stanza,
                               const PackShapes& shapes, const std::stop_token& stop);

}  // namespace pgcairn::engine
