#include "expire_wal.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

WalNeeds::WalNeeds(std::vector<WalClaim> claims, Timelines timelines, std::uint64_t segment_bytes)
    : claims_(std::move(claims)), timelines_(std::move(timelines)), segment_bytes_(segment_bytes) {
  std::sort(claims_.begin(), claims_.end(),
            [](const WalClaim& a, const WalClaim& b) { return a.first < b.first; });
  for (const WalClaim& claim : claims_) add_stretch(claim);
}

/// Claims come in ascending order: one that overlaps with the last stretch extends it.
void WalNeeds::add_stretch(const WalClaim& claim) {
  auto& stretches = stretches_[claim.timeline];
  if (!stretches.empty() && stretches.rbegin()->second.last >= claim.first) {
    std::uint64_t& last = stretches.rbegin()->second.last;
    last = std::max(last, claim.last);
    return;
  }
  stretches[claim.first] = {claim.last,
                            format("backup {} needs it to become consistent", claim.label)};
}

const WalNeeds::From& WalNeeds::from_of(Timeline timeline) {
  const auto [at, is_new] = from_.try_emplace(timeline);
  From& from = at->second;
  if (!is_new) return from;
  const std::vector<Timeline> known = timelines_.known();
  const bool has_history = std::binary_search(known.begin(), known.end(), timeline);
  for (const WalClaim& claim : claims_) {
    if (!claim.continuous || claim.first >= from.number) continue;
    bool reached = timeline == claim.timeline;
    if (!reached && has_history) {
      const auto reachable = timelines_.descendants(claim.timeline, claim.stop);
      reached = std::find(reachable.begin(), reachable.end(), timeline) != reachable.end();
    } else if (!reached) {
      reached = timeline > claim.timeline;
    }
    if (reached) from = {claim.first, format("recovery from backup {} on", claim.label)};
  }
  return from;
}

const std::string& WalNeeds::why_kept(std::string_view file) {
  static const std::string history = "histories of timelines stay";
  static const std::string unknown = "not a file of this archive's";
  static const std::string none;
  const auto kind = wal_file_kind(file);
  if (kind == WalFileKind::timeline_history) return history;
  if (!kind) return unknown;
  const auto segment = parse_wal_segment_name(file.substr(0, 24), segment_bytes_);
  if (!segment) return unknown;
  const From& from = from_of(segment->timeline);
  if (segment->number >= from.number) return from.reason;
  const auto& stretches = stretches_[segment->timeline];
  const auto after = stretches.upper_bound(segment->number);
  if (after == stretches.begin()) return none;
  const Stretch& stretch = std::prev(after)->second;
  return segment->number <= stretch.last ? stretch.reason : none;
}

}  // namespace pgcairn::engine
