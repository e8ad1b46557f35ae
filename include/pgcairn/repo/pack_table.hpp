#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace pgcairn::repo {

// Packs by ref and number. A backup's packs are numbered from 0 on, so that runs of them share one
// node: a pack costs a few bytes, and a number out of order, as a hostile manifest may have, costs
// one node.

class PackSet {
 public:
  void add(std::uint32_t ref, std::uint32_t pack) {
    auto& run = runs_[{ref, pack / kRun}];
    size_ += run.test(pack % kRun) ? 0U : 1U;
    run.set(pack % kRun);
  }
  bool contains(std::uint32_t ref, std::uint32_t pack) const {
    const auto run = runs_.find({ref, pack / kRun});
    return run != runs_.end() && run->second.test(pack % kRun);
  }
  std::size_t size() const { return size_; }
  void clear() { *this = {}; }

 private:
  static constexpr std::uint32_t kRun = 512;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::bitset<kRun>> runs_;
  std::size_t size_ = 0;
};

/// What a listing says of each pack.
class PackSizes {
 public:
  void set(std::uint32_t ref, std::uint32_t pack, std::uint64_t size_bytes) {
    runs_[{ref, pack / kRun}].at(pack % kRun) = size_bytes + 1;
  }
  /// Nothing when it was not listed.
  std::optional<std::uint64_t> find(std::uint32_t ref, std::uint32_t pack) const {
    const auto run = runs_.find({ref, pack / kRun});
    if (run == runs_.end() || run->second.at(pack % kRun) == 0) return std::nullopt;
    return run->second.at(pack % kRun) - 1;
  }

 private:
  static constexpr std::uint32_t kRun = 64;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::array<std::uint64_t, kRun>> runs_;
};

}  // namespace pgcairn::repo
