#include "verify/maps.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>

namespace pgcairn::engine {

FrameSizes::FrameSizes(const repo::PackIndex& index) {
  for (std::uint32_t frame = 0; frame < index.frames(); ++frame) {
    const std::uint32_t raw_bytes = index.raw_bytes(frame);
    if (runs_.empty() || runs_.back().raw_bytes != raw_bytes) runs_.push_back({raw_bytes, 0});
    ++runs_.back().frames;
  }
  runs_.shrink_to_fit();
}

std::string FrameSizes::what_is_wrong(const repo::Extent& extent, std::uint32_t frame_bytes) const {
  std::uint64_t first = 0;  // frame of the run
  std::uint64_t frame = extent.frame;
  std::uint64_t offset = extent.offset_bytes;
  std::uint64_t left = extent.length_bytes;
  for (const Run& run : runs_) {
    const std::uint64_t end = first + run.frames;
    for (; frame < end && left > 0; ++frame, offset = 0) {
      if (offset >= run.raw_bytes) return format("frame {} has {} bytes", frame, run.raw_bytes);
      const std::uint64_t taken = std::min<std::uint64_t>(left, run.raw_bytes - offset);
      left -= taken;
      if (left > 0 && run.raw_bytes != frame_bytes)
        return format("frame {} has {} bytes, and the map goes on after it", frame, run.raw_bytes);
    }
    if (left == 0) return {};
    first = end;
  }
  return format("the pack has no frame {}", frame);
}

std::vector<Damage> wrong_maps(repo::ManifestReader& manifest, const std::string& stanza,
                               const PackShapes& shapes, const std::stop_token& stop) {
  std::vector<Damage> damages;
  const std::string& label = manifest.header().label;
  while (const auto entry = manifest.next()) {
    check_stop(stop);
    for (const repo::Extent& extent : entry->map) {
      const repo::ManifestRef& ref = manifest.header().refs.at(extent.ref);
      const std::string key = repo::pack_key(stanza, ref.backup, extent.pack);
      const auto shape = shapes.find(key);
      if (shape == shapes.end()) continue;
      const std::string wrong = shape->second.what_is_wrong(extent, ref.frame_bytes);
      if (wrong.empty()) continue;
      if (damages.size() == kMostWrongMaps) return damages;
      damages.push_back({.object = key,
                         .cause = format("the manifest of backup {} places {} there, but {}", label,
                                         entry->path, wrong),
                         .backups = {label},
                         .frame = extent.frame,
                         .paths = {entry->path},
                         .files = 1});
    }
  }
  return damages;
}

}  // namespace pgcairn::engine
