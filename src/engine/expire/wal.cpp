#include "expire/wal.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/wal/branch.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

/// Is it kept as the way to a branch that no known way leads to? Then all may be on it.
bool goes_somewhere(const WalClaim& claim, const Timelines& timelines) {
  return std::any_of(claim.way_to.begin(), claim.way_to.end(),
                     [&](Timeline end) { return timelines.path(claim.timeline, end).empty(); });
}

/// The timeline alone, whatever its history says: a backup's own WAL stays.
std::vector<TimelineSpan> alone(Timeline timeline) {
  return {{timeline, {}, {}}};
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
    if (claim.continuous || goes_somewhere(claim, timelines_)) add_all_ways(claim);
  }
  for (const WalClaim& claim : claims_) {
    for (const Timeline end : claim.way_to) {
      add(timelines_.path(claim.timeline, end), claim.first, kNoEnd,
          format("the way from backup {} to timeline {}", claim.label, timeline_text(end)));
    }
  }
  for (const WalClaim& claim : claims_) {
    add(alone(claim.timeline), claim.first, claim.last + 1,
        format("backup {} needs it to become consistent", claim.label));
  }
}

/// What is asked for on `path` of numbers from `first` to before `end`. What stays already keeps
/// its reason.
void WalNeeds::add(const std::vector<TimelineSpan>& path, std::uint64_t first, std::uint64_t end,
                   const std::string& reason) {
  for (const SegmentRange& range : asked_for(path, first, segment_bytes_)) {
    Stretches& stretches = stretches_[range.timeline];
    std::uint64_t from = range.first;
    const std::uint64_t to = std::min(range.end, end);
    auto next = stretches.upper_bound(from);
    if (next != stretches.begin()) from = std::max(from, std::prev(next)->second.end);
    for (; from < to && next != stretches.end() && next->first < to; ++next) {
      if (from < next->first) stretches[from] = {next->first, reason};
      from = next->second.end;
    }
    if (from < to) stretches[from] = {to, reason};
  }
}

void WalNeeds::add_all_ways(const WalClaim& claim) {
  // An earlier one that ends no later leads wherever this one does.
  for (const WalClaim& earlier : goes_on_from_)
    if (earlier.timeline == claim.timeline && earlier.stop <= claim.stop) return;
  const std::string reason = format("recovery from backup {} on", claim.label);
  add(alone(claim.timeline), claim.first, kNoEnd, reason);
  for (const Timeline to : timelines_.descendants(claim.timeline, claim.stop))
    add(timelines_.path(claim.timeline, to), claim.first, kNoEnd, reason);
  goes_on_from_.push_back(claim);
}

/// Of a timeline without a readable history it is assumed that it leads on from all before it.
const WalNeeds::Stretches& WalNeeds::stretches_of(Timeline timeline) {
  if (looked_at_.insert(timeline).second) {
    const std::vector<Timeline> known = timelines_.known();
    const bool has_history = std::binary_search(known.begin(), known.end(), timeline);
    for (const WalClaim& claim : goes_on_from_) {
      if (!has_history && claim.timeline < timeline) {
        add(alone(timeline), claim.first, kNoEnd,
            format("recovery from backup {} on", claim.label));
        break;
      }
    }
  }
  return stretches_[timeline];
}

const std::string& WalNeeds::keep_reason(std::string_view file) {
  static const std::string history = "histories of timelines stay";
  static const std::string unknown = "not a file of this archive's";
  static const std::string newest =
      "WAL of the newest timeline stays, although no backup is on the way to it";
  static const std::string none;
  const auto kind = wal_file_kind(file);
  if (kind == WalFileKind::timeline_history) return history;
  if (!kind) return unknown;
  const auto segment = parse_wal_segment_name(file.substr(0, 24), segment_bytes_);
  if (!segment) return unknown;
  if (whole_.contains(segment->timeline)) return newest;
  const Stretches& stretches = stretches_of(segment->timeline);
  const auto after = stretches.upper_bound(segment->number);
  if (after == stretches.begin()) return none;
  const Stretch& stretch = std::prev(after)->second;
  return segment->number < stretch.end ? stretch.reason : none;
}

}  // namespace pgcairn::engine
