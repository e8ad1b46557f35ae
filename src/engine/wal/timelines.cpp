#include "wal/timelines.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/timeline.hpp>

#include <algorithm>

namespace pgcairn::engine {

void Timelines::add(Timeline timeline, Bytes history, const std::string& object) {
  const auto parsed = postgres::parse_timeline_history(as_text(history), timeline, object);
  std::vector<TimelineSpan>& spans = histories_[timeline];
  spans.clear();
  for (const postgres::TimelineRange& range : postgres::timeline_stretches(parsed)) {
    if (range.timeline != timeline) spans.push_back({range.timeline, range.begin, range.end});
  }
}

std::vector<Timeline> Timelines::known() const {
  std::vector<Timeline> all;
  for (const auto& [timeline, ancestors] : histories_) all.push_back(timeline);
  return all;
}

std::vector<TimelineSpan> Timelines::path(Timeline from, Timeline to) const {
  const auto history = histories_.find(to);
  const bool known = history != histories_.end();
  const std::vector<TimelineSpan> none;
  const std::vector<TimelineSpan>& ancestors = known ? history->second : none;
  const Lsn begin = ancestors.empty() ? Lsn{} : ancestors.back().end;
  if (from == to) return {{to, begin, {}}};
  const auto start = std::find_if(ancestors.begin(), ancestors.end(),
                                  [&](const TimelineSpan& one) { return one.timeline == from; });
  if (start == ancestors.end()) return {};
  std::vector<TimelineSpan> way(start, ancestors.end());
  way.push_back({to, begin, {}});
  return way;
}

std::vector<TimelineSpan> Timelines::whole_path(Timeline to) const {
  const auto history = histories_.find(to);
  const bool has_ancestors = history != histories_.end() && !history->second.empty();
  return path(has_ancestors ? history->second.front().timeline : to, to);
}

std::vector<Timeline> Timelines::descendants(Timeline from, Lsn stop) const {
  std::vector<Timeline> all = {from};
  for (const auto& [timeline, ancestors] : histories_) {
    const auto way = path(from, timeline);
    if (way.size() > 1 && way.front().end >= stop) all.push_back(timeline);
  }
  return all;
}

std::string Timelines::unreachable_reason(Timeline from, Lsn stop, Timeline to) const {
  const auto history = histories_.find(to);
  if (history == histories_.end()) return format("timeline {} has no history in the archive", to);
  const auto way = path(from, to);
  if (way.size() > 1 && way.front().end < stop) {
    return format("timeline {} left timeline {} at {}, before the backup's end at {}", to, from,
                  to_string(way.front().end), to_string(stop));
  }
  if (!way.empty()) return {};
  if (history->second.empty()) return format("timeline {} has no ancestors", to);
  return format("timeline {} does not descend from timeline {}: it left timeline {} at {}", to,
                from, history->second.back().timeline, to_string(history->second.back().end));
}

Timeline Timelines::left_after(Timeline timeline, Lsn at) const {
  for (const auto& [other, ancestors] : histories_) {
    const bool went_on = std::any_of(
        ancestors.begin(), ancestors.end(),
        [&](const TimelineSpan& span) { return span.timeline == timeline && span.end >= at; });
    if (went_on) return other;
  }
  return 0;
}

bool Timelines::was_left_between(Timeline timeline, Lsn begin, Lsn end) const {
  return std::any_of(histories_.begin(), histories_.end(), [&](const auto& history) {
    return std::any_of(history.second.begin(), history.second.end(), [&](const TimelineSpan& span) {
      return span.timeline == timeline && span.end > begin && span.end <= end;
    });
  });
}

Timeline Timelines::latest_of_server(Timeline from) const {
  Timeline newest = from;
  while (histories_.contains(newest + 1)) ++newest;
  return newest;
}

}  // namespace pgcairn::engine
