#include "restore/batch.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/pack.hpp>

#include <algorithm>
#include <cstring>
#include <tuple>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kMostExtents = 512 * kKiB;  // of a file: its line has at most 4 MiB

std::optional<crypto::Hash128> hash_of(const repo::ManifestEntry& entry) {
  const auto bytes = parse_hex(entry.hash);
  crypto::Hash128 hash;
  if (!bytes || bytes->size() != hash.size()) return std::nullopt;
  std::memcpy(hash.data(), bytes->data(), hash.size());
  return hash;
}

}  // namespace

void RestoreBatch::add(const repo::ManifestEntry& entry, std::uint32_t mode) {
  // Once, and as much as there can be: growing would hold the parts twice. What is not used is
  // never touched.
  if (parts_.empty()) parts_.reserve(memory_bytes_ / sizeof(Part) + kMostExtents);
  const auto file = static_cast<std::uint32_t>(files.size());
  files.push_back({entry.path, entry.size_bytes, hash_of(entry), mode});
  std::uint64_t at = 0;
  for (const repo::Extent& extent : entry.map) {
    parts_.push_back({extent.ref, extent.pack, extent.frame, extent.offset_bytes, file, at,
                      extent.length_bytes});
    at += extent.length_bytes;
  }
  const std::uint64_t units = (entry.size_bytes + repo::kHashedBytes - 1) / repo::kHashedBytes;
  used_bytes_ += sizeof(File) + entry.path.size() + entry.map.size() * sizeof(Part) +
                 units * sizeof(std::uint64_t);
}

void RestoreBatch::clear() {
  files.clear();
  local_hashes.clear();
  parts_.clear();
  used_bytes_ = 0;
}

std::vector<std::span<const RestoreBatch::Part>> RestoreBatch::by_pack() {
  std::erase_if(parts_,
                [&](const Part& part) { return files[part.file].local == File::Local::same; });
  std::sort(parts_.begin(), parts_.end(), [](const Part& a, const Part& b) {
    return std::tie(a.ref, a.pack, a.frame, a.offset_bytes) <
           std::tie(b.ref, b.pack, b.frame, b.offset_bytes);
  });
  std::vector<std::span<const Part>> packs;
  for (auto from = parts_.cbegin(), to = from; from != parts_.cend(); from = to) {
    to = std::find_if(from, parts_.cend(), [&](const Part& part) {
      return part.ref != from->ref || part.pack != from->pack;
    });
    packs.emplace_back(from, to);
  }
  return packs;
}

}  // namespace pgcairn::engine
