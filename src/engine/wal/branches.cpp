#include "wal/branches.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

/// The timeline that the last of a way came from: one that it has nothing of does not count.
const TimelineSpan* parent_of(const std::vector<TimelineSpan>& way) {
  for (std::size_t i = way.size() - 1; i-- > 0;) {
    if (way[i].begin < way[i].end) return &way[i];
  }
  return nullptr;
}

}  // namespace

std::string timeline_text(Timeline timeline) {
  return timeline < 10 ? format("{}", timeline) : format("{} (0x{:X})", timeline, timeline);
}

void note_archived(std::map<Timeline, TimelineWal>& wal, std::string_view file) {
  const auto kind = wal_file_kind(file);
  if (kind != WalFileKind::segment && kind != WalFileKind::partial) return;
  const auto timeline = parse_u64(file.substr(0, 8), 16);
  if (!timeline) return;
  TimelineWal& own = wal[static_cast<Timeline>(*timeline)];
  if (kind == WalFileKind::partial) {
    if (own.partial < file) own.partial = file;
    return;
  }
  if (own.first.empty() || file < own.first) own.first = file;
  if (own.last < file) own.last = file;
}

Branches::Branches(BranchSources sources) : sources_(std::move(sources)) {
  for (const auto& [timeline, wal] : sources_.wal) existing_.insert(timeline);
  for (const BranchSources::Backup& backup : sources_.backups) existing_.insert(backup.timeline);
  for (const Timeline timeline : sources_.timelines.known()) histories_.insert(timeline);
  for (const Timeline timeline : existing_) {
    if (ends_a_branch(timeline)) tips_.insert(tips_.begin(), timeline);
  }
}

std::optional<Timeline> Branches::newest() const {
  return existing_.empty() ? std::nullopt : std::optional(*existing_.rbegin());
}

std::vector<Timeline> Branches::only_histories() const {
  std::vector<Timeline> others;
  std::set<Timeline> all = histories_;
  all.insert(sources_.unread.begin(), sources_.unread.end());
  std::set_difference(all.begin(), all.end(), existing_.begin(), existing_.end(),
                      std::back_inserter(others));
  return others;
}

/// The oldest timeline of the archive needs none: there is nothing that it could have left.
bool Branches::has_history(Timeline timeline) const {
  return histories_.contains(timeline) || timeline == 1 ||
         (!existing_.empty() && timeline <= *existing_.begin() &&
          !sources_.unread.contains(timeline));
}

/// Has the timeline anything of its own after `end`? The segment that `end` is in may.
bool Branches::goes_beyond(Timeline timeline, Lsn end) const {
  const auto own = sources_.wal.find(timeline);
  if (own != sources_.wal.end() && !own->second.last.empty()) {
    const auto last = parse_wal_segment_name(own->second.last, sources_.segment_bytes);
    if (!last || (last->number + 1) * sources_.segment_bytes > end.value) return true;
  }
  return std::any_of(sources_.backups.begin(), sources_.backups.end(), [&](const auto& backup) {
    return backup.timeline == timeline && backup.stop > end;
  });
}

bool Branches::ends_a_branch(Timeline timeline) const {
  Lsn furthest;
  bool left = false;
  for (auto other = existing_.upper_bound(timeline); other != existing_.end(); ++other) {
    const auto way = sources_.timelines.path(timeline, *other);
    if (way.size() < 2) continue;
    left = true;
    furthest = std::max(furthest, way.front().end);
  }
  return !left || goes_beyond(timeline, furthest);
}

Leads Branches::leads(Timeline from, Lsn stop, Timeline to) const {
  if (from == to) return Leads::yes;
  if (from > to) return Leads::no;
  const auto way = sources_.timelines.path(from, to);
  if (way.size() > 1) return way.front().end >= stop ? Leads::yes : Leads::no;
  const bool is_there = existing_.contains(to) || sources_.unread.contains(to);
  if (has_history(to) || !is_there) return Leads::no;
  // What is certain without a history: a timeline left the others before its own WAL begins.
  const auto own = sources_.wal.find(to);
  if (own == sources_.wal.end() || own->second.first.empty()) return Leads::unknown;
  const auto first = parse_wal_segment_name(own->second.first, sources_.segment_bytes);
  const bool before = first && stop.value > (first->number + 1) * sources_.segment_bytes;
  return before ? Leads::no : Leads::unknown;
}

std::string Branches::unreachable_reason(Timeline from, Lsn stop, Timeline to) const {
  if (sources_.unread.contains(to)) {
    return format("the history of timeline {} is in the archive, but cannot be read",
                  timeline_text(to));
  }
  return sources_.timelines.unreachable_reason(from, stop, to);
}

Branch Branches::describe(Timeline tip) const {
  Branch branch;
  branch.timeline = tip;
  branch.newest = tip == newest();
  branch.history_known = has_history(tip);
  const auto way = sources_.timelines.whole_path(tip);
  if (const TimelineSpan* const parent = parent_of(way)) {
    branch.parent = parent->timeline;
    branch.left_at = parent->end;
  }
  if (const auto own = sources_.wal.find(tip); own != sources_.wal.end())
    branch.last = std::max(own->second.last, own->second.partial);
  branch.has_way = std::any_of(sources_.backups.begin(), sources_.backups.end(),
                               [&](const BranchSources::Backup& backup) {
                                 return leads(backup.timeline, backup.stop, tip) == Leads::yes;
                               });
  return branch;
}

std::string left_words(const Branch& branch) {
  if (branch.parent != 0) {
    return format("it left timeline {} at {}", timeline_text(branch.parent),
                  to_string(branch.left_at));
  }
  return branch.history_known ? "" : "its history cannot be read";
}

}  // namespace pgcairn::engine
