#include "expire_wal.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/branch.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

/// Is it kept as the way to a branch that nobody knows the way to? Then all may be on it.
bool goes_somewhere(const WalClaim& claim, const Timelines& timelines) {
  return std::any_of(claim.way_to.begin(), claim.way_to.end(),
                     [&](Timeline end) { return timelines.path(claim.timeline, end).empty(); });
}

}  // namespace

WalNeeds::WalNeeds(std::vector<WalClaim> claims, Timelines timelines, std::uint64_t segment_bytes,
                   std::set<Timeline> whole)
    : claims_(std::move(claims)),
      timelines_(std::move(timelines)),
      segment_bytes_(segment_bytes),
      whole_(std::move(whole)) {
  std::sort(claims_.begin(), claims_.end(),
            [](const WalClaim& a, const WalClaim& b) { return a.first < b.first; });
  for (const WalClaim& claim : claims_) {
    add_stretch(claim.timeline, claim.first,
                {claim.last, format("backup {} needs it to become consistent", claim.label)});
  }
  for (WalClaim& claim : claims_) {
    for (const Timeline end : claim.way_to) add_way(claim, end);
  }
}

/// One that overlaps with others joins them, under the first one's reason.
void WalNeeds::add_stretch(Timeline timeline, std::uint64_t first, Stretch stretch) {
  auto& stretches = stretches_[timeline];
  auto at = stretches.upper_bound(first);
  if (at != stretches.begin() && std::prev(at)->second.last >= first) {
    --at;
    first = at->first;
    stretch = {std::max(stretch.last, at->second.last), at->second.reason};
    at = stretches.erase(at);
  }
  while (at != stretches.end() && at->first <= stretch.last) {
    stretch.last = std::max(stretch.last, at->second.last);
    at = stretches.erase(at);
  }
  stretches[first] = std::move(stretch);
}

/// From the backup's first segment along the timelines that lead there, and all of the last one.
void WalNeeds::add_way(const WalClaim& claim, Timeline end) {
  const std::string reason =
      format("the way from backup {} to timeline {}", claim.label, timeline_text(end));
  for (const TimelineSpan& span : timelines_.path(claim.timeline, end)) {
    const std::uint64_t first = std::max(claim.first, span.begin.value / segment_bytes_);
    const bool is_last = span.timeline == end;
    if (!is_last && span.end <= Lsn{first * segment_bytes_}) continue;
    const std::uint64_t last =
        is_last ? UINT64_MAX : segment_before(span.end, end, segment_bytes_).number;
    add_stretch(span.timeline, first, {last, reason});
  }
}

const WalNeeds::From& WalNeeds::from_of(Timeline timeline) {
  const auto [at, is_new] = from_.try_emplace(timeline);
  From& from = at->second;
  if (!is_new) return from;
  const std::vector<Timeline> known = timelines_.known();
  const bool has_history = std::binary_search(known.begin(), known.end(), timeline);
  for (const WalClaim& claim : claims_) {
    const bool goes_on = claim.continuous || goes_somewhere(claim, timelines_);
    if (!goes_on || claim.first >= from.number) continue;
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
  static const std::string newest =
      "WAL of the newest timeline stays, though no backup leads to it";
  static const std::string none;
  const auto kind = wal_file_kind(file);
  if (kind == WalFileKind::timeline_history) return history;
  if (!kind) return unknown;
  const auto segment = parse_wal_segment_name(file.substr(0, 24), segment_bytes_);
  if (!segment) return unknown;
  if (whole_.contains(segment->timeline)) return newest;
  const From& from = from_of(segment->timeline);
  if (segment->number >= from.number) return from.reason;
  const auto& stretches = stretches_[segment->timeline];
  const auto after = stretches.upper_bound(segment->number);
  if (after == stretches.begin()) return none;
  const Stretch& stretch = std::prev(after)->second;
  return segment->number <= stretch.last ? stretch.reason : none;
}

}  // namespace pgcairn::engine
