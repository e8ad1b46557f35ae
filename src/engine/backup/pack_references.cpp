#include "backup/pack_references.hpp"

#include <pgcairn/common/error.hpp>

#include <algorithm>
#include <tuple>

namespace pgcairn::engine {

PackReferences::PackReferences(std::vector<repo::ManifestRef> refs)
    : refs_(std::move(refs)), first_interrupted_(refs_.size()) {}

void PackReferences::add_interrupted(std::span<const repo::ManifestRef> interrupted) {
  refs_.insert(refs_.end(), interrupted.begin(), interrupted.end());
}

void PackReferences::name(std::span<const repo::Extent> map) {
  for (const repo::Extent& extent : map) {
    if (extent.ref == 0) continue;  // this backup's own
    named_.add(extent.ref, extent.pack);
    if (extent.ref >= first_interrupted_) resumed_bytes_[extent.ref] += extent.length_bytes;
  }
}

std::vector<repo::ManifestPack> PackReferences::packs(std::vector<repo::ManifestPack> own,
                                                      std::span<const repo::ManifestPack> others,
                                                      const std::string& prior) const {
  const std::size_t wanted = own.size() + named_.size();
  std::copy_if(
      others.begin(), others.end(), std::back_inserter(own),
      [&](const repo::ManifestPack& pack) { return named_.contains(pack.ref, pack.pack); });
  if (own.size() != wanted)
    throw DamagedError(prior, 0, "its manifest's maps name packs that its list of packs lacks");
  std::sort(own.begin(), own.end(), [](const repo::ManifestPack& a, const repo::ManifestPack& b) {
    return std::tie(a.ref, a.pack) < std::tie(b.ref, b.pack);
  });
  return own;
}

std::vector<repo::PackRange> PackReferences::ranges(
    std::span<const repo::ManifestPack> packs) const {
  std::vector<repo::PackRange> ranges;
  for (const repo::ManifestPack& pack : packs) {
    const std::string& label = refs_[pack.ref].backup;
    if (!ranges.empty() && ranges.back().backup == label && ranges.back().last + 1 == pack.pack)
      ranges.back().last = pack.pack;
    else
      ranges.push_back({label, pack.pack, pack.pack});
  }
  return ranges;
}

std::vector<repo::Resumed> PackReferences::resumed(
    std::span<const repo::ManifestPack> packs) const {
  std::vector<repo::Resumed> resumed;
  for (const repo::ManifestPack& pack : packs) {
    if (pack.ref < first_interrupted_) continue;
    const std::string& label = refs_[pack.ref].backup;
    if (resumed.empty() || resumed.back().backup != label)
      resumed.push_back({label, 0, resumed_bytes_.at(pack.ref)});
    ++resumed.back().packs;
  }
  return resumed;
}

}  // namespace pgcairn::engine
