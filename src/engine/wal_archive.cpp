#include "wal_archive.hpp"

#include "wal_end.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/parallel.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/wal_records.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

// Segments that are opened to find a target or the last transaction: some seconds of work.
constexpr std::size_t kMostSearched = 256;
constexpr std::uint64_t kMostFollowedBytes = 256 * kMiB;  // in memory at once

bool contains(const std::vector<std::string>& sorted, const std::string& name) {
  return std::binary_search(sorted.begin(), sorted.end(), name);
}

Lsn start_of(const std::string& name, std::uint64_t segment_bytes) {
  return Lsn{parse_wal_segment_name(name.substr(0, 24), segment_bytes)->number * segment_bytes};
}

}  // namespace

WalReach trace_wal(const std::vector<TimelineSpan>& path, WalSegment first,
                   std::uint64_t segment_bytes,
                   const std::function<std::vector<std::string>(const std::string&)>& has) {
  WalReach reach;
  for (std::uint64_t number = first.number;; ++number) {
    const Lsn start{number * segment_bytes};
    const Lsn end{start.value + segment_bytes};
    std::string wanted;
    bool found = false;
    for (auto span = path.rbegin(); span != path.rend() && !found; ++span) {
      if (span->begin >= end) continue;                       // not begun
      if (span->end.value != 0 && span->end <= start) break;  // over
      const std::string name = wal_segment_name({span->timeline, number}, segment_bytes);
      if (wanted.empty()) wanted = name;
      std::vector<std::string> holders = has(name);
      if (holders.empty()) continue;
      found = true;
      WalRange* const last = reach.ranges.empty() ? nullptr : &reach.ranges.back();
      if (last != nullptr && last->repositories == holders &&
          last->last.substr(0, 8) == name.substr(0, 8)) {
        last->last = name;
        ++last->segments;
      } else {
        reach.ranges.push_back({name, name, 1, std::move(holders)});
      }
      reach.last = name;
      reach.end = end;
      // The next timeline should go on in this segment, and its part is not there.
      if (name != wanted) reach.end = span->end;
    }
    if (!found || reach.last != wanted) {
      reach.missing = wanted;
      return reach;
    }
  }
}

std::vector<std::string> segments_of(const WalReach& reach, std::uint64_t segment_bytes) {
  std::vector<std::string> names;
  for (const WalRange& range : reach.ranges) {
    auto segment = *parse_wal_segment_name(range.first, segment_bytes);
    for (std::uint64_t i = 0; i < range.segments; ++i, ++segment.number)
      names.push_back(wal_segment_name(segment, segment_bytes));
  }
  return names;
}

WalArchive::WalArchive(std::string stanza, repo::Cluster cluster,
                       std::span<repo::Repository> repositories)
    : stanza_(std::move(stanza)), cluster_(cluster) {
  for (repo::Repository& repository : repositories) {
    try {
      repository.open();
      listed_.push_back({&repository, repository.list_wal(stanza_, cluster_)});
    } catch (const Error& error) {
      notes_.push_back(format("repository \"{}\" could not be read, and may hold more WAL: {}",
                              repository.name(), error.message()));
    }
  }
  read_histories();
}

void WalArchive::read_histories() {
  for (const Listed& one : listed_) {
    for (const std::string& name : one.wal.histories) {
      const auto timeline = parse_u64(std::string_view(name).substr(0, 8), 16);
      if (!timeline) continue;
      Buffer content;
      try {
        content = read(name);
        timelines_.add(static_cast<Timeline>(*timeline), content, name);
      } catch (const Error& error) {
        notes_.push_back(format("{} could not be read: {}", name, error.message()));
        unread_.push_back(static_cast<Timeline>(*timeline));
      }
    }
  }
}

std::vector<std::string> WalArchive::holders(const std::string& file) const {
  std::vector<std::string> names;
  for (const Listed& one : listed_) {
    if (contains(one.wal.segments, file)) names.push_back(one.repository->name());
  }
  return names;
}

Buffer WalArchive::read(const std::string& file) {
  std::exception_ptr first;
  for (const Listed& one : listed_) {
    try {
      Buffer content;
      if (one.repository->get_wal(stanza_, cluster_, file,
                                  [&](Bytes piece) { content.append(piece); })) {
        return content;
      }
    } catch (const Error&) {
      if (!first) first = std::current_exception();
    }
  }
  if (first) std::rethrow_exception(first);
  throw Error(format("{} is in no repository", file));
}

void WalArchive::follow(WalWay& way, const std::vector<std::string>& names,
                        std::uint64_t segment_bytes, std::size_t workers) {
  const std::size_t at_once =
      std::clamp<std::size_t>(kMostFollowedBytes / segment_bytes, 1, workers);
  for (std::size_t first = 0; first < names.size() && !way.is_over(); first += at_once) {
    std::vector<Buffer> contents(std::min(at_once, names.size() - first));
    for_each_index(contents.size(), at_once, {},
                   [&](std::size_t i) { contents[i] = read(names[first + i]); });
    for (std::size_t i = 0; i < contents.size() && !way.is_over(); ++i)
      way.read(contents[i], start_of(names[first + i], segment_bytes));
  }
}

Timeline WalArchive::latest_of_server(Timeline from) const {
  Timeline newest = timelines_.latest_of_server(from);
  while (std::find(unread_.begin(), unread_.end(), newest + 1) != unread_.end())
    newest = timelines_.latest_of_server(newest + 1);
  return newest;
}

WalReach WalArchive::reach(const repo::BackupInfo& backup, const std::vector<TimelineSpan>& path) {
  const std::uint64_t bytes = backup.wal_segment_bytes;
  const auto first = parse_wal_segment_name(backup.wal_start, bytes);
  WalReach reach =
      trace_wal(path, *first, bytes, [&](const std::string& name) { return holders(name); });
  find_later(reach, path, bytes);
  if (!reach.partial.empty() && reach.after_gap.empty()) {
    reach.end = Lsn{start_of(reach.missing, bytes).value + bytes};
  } else {
    reach.partial.clear();
  }
  return reach;
}

void WalArchive::find_later(WalReach& reach, const std::vector<TimelineSpan>& path,
                            std::uint64_t segment_bytes) const {
  const std::string partial = reach.missing + ".partial";
  for (const Listed& one : listed_) {
    if (contains(one.wal.partials, partial)) reach.partial = partial;
    for (const TimelineSpan& span : path) {
      // Of a timeline that ended, segments after the switch belong to another branch.
      const std::string limit = wal_segment_name({span.timeline + 1, 0}, segment_bytes);
      const std::string from = wal_segment_name(
          {span.timeline, parse_wal_segment_name(reach.missing, segment_bytes)->number + 1},
          segment_bytes);
      const auto later = std::lower_bound(one.wal.segments.begin(), one.wal.segments.end(), from);
      if (later == one.wal.segments.end() || *later >= limit) continue;
      if (span.end.value != 0 && start_of(*later, segment_bytes) >= span.end) continue;
      if (reach.after_gap.empty() || later->substr(8) < reach.after_gap.substr(8))
        reach.after_gap = *later;
    }
  }
}

void WalArchive::look_at_end(WalReach& reach, const repo::BackupInfo& backup, std::size_t workers,
                             const std::function<bool(std::size_t)>& go_on) {
  WalStretch stretch{segments_of(reach, backup.wal_segment_bytes), backup.wal_segment_bytes,
                     backup.stop_lsn, reach.end};
  if (!reach.partial.empty()) stretch.names.push_back(reach.partial);
  const WalEnd end =
      find_wal_end(stretch, workers, go_on, [&](const std::string& name) { return read(name); });
  reach.last_record = end.last_record;
  reach.last_commit = end.last_commit;
  reach.end_is_known = end.last_commit || end.whole;
}

std::map<Timeline, TimelineWal> WalArchive::timeline_wal() const {
  std::map<Timeline, TimelineWal> wal;
  for (const Listed& one : listed_) {
    for (const std::string& name : one.wal.segments) note_archived(wal, name);
    for (const std::string& name : one.wal.partials) note_archived(wal, name);
  }
  return wal;
}

Found WalArchive::search(const RestoreOptions& options, const repo::BackupInfo& backup,
                         const std::vector<TimelineSpan>& path) {
  const WalReach reached = reach(backup, path);
  std::vector<std::string> names = segments_of(reached, backup.wal_segment_bytes);
  if (!reached.partial.empty()) names.push_back(reached.partial);
  bool found = false;
  bool unknown = false;
  postgres::WalRecordReader reader([&](const postgres::WalRecord& record) {
    if (record.start < backup.stop_lsn || record.start >= reached.end) return;
    using Kind = postgres::WalRecord::Kind;
    const bool ends = record.kind == Kind::commit || record.kind == Kind::abort;
    unknown |= ends && record.xid == 0;
    if (options.type == RestoreType::name)
      found |= record.kind == Kind::restore_point && record.name == options.target_name;
    if (options.type == RestoreType::xid) found |= ends && record.xid == *options.target_xid;
  });
  std::size_t searched = 0;
  for (const std::string& name : names) {
    const Lsn start = start_of(name, backup.wal_segment_bytes);
    if (start.value + backup.wal_segment_bytes <= backup.stop_lsn.value) continue;
    if (searched++ == kMostSearched) return Found::unknown;
    reader.read(read(name), start);
    if (found) return Found::yes;
  }
  // A transaction whose number was not made out may be the one.
  const bool unsure = (unknown && options.type == RestoreType::xid) || !notes_.empty();
  return unsure ? Found::unknown : Found::no;
}

}  // namespace pgcairn::engine
