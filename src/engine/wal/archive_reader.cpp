#include "wal/archive_reader.hpp"

#include "wal/end.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/common/parallel.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/postgres/wal_records.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

// Segments that are opened to find a target: some seconds of work.
constexpr std::size_t kMostSearched = 256;
constexpr std::uint64_t kMostFollowedBytes = 256 * kMiB;  // in memory at once

bool contains(const std::vector<std::string>& sorted, const std::string& name) {
  return std::binary_search(sorted.begin(), sorted.end(), name);
}

Timeline timeline_of(const std::string& segment) {
  return static_cast<Timeline>(parse_u64(segment.substr(0, 8), 16).value_or(0));
}

Lsn start_of(const std::string& name, std::uint64_t segment_bytes) {
  return Lsn{parse_wal_segment_name(name.substr(0, 24), segment_bytes)->number * segment_bytes};
}

}  // namespace

ArchiveReader::ArchiveReader(std::string stanza, repo::Cluster cluster,
                             std::span<repo::Repository> repositories, std::stop_token stop)
    : stanza_(std::move(stanza)), cluster_(cluster), stop_(std::move(stop)) {
  for (repo::Repository& repository : repositories) {
    try {
      repository.open();
      const repo::StanzaView view(repository, stanza_);
      listed_.push_back({&repository, view.list_wal(repo::cluster_id(cluster_))});
    } catch (const Error& error) {
      notes_.push_back(format("repository \"{}\" could not be read, and may hold more WAL: {}",
                              repository.name(), error.message()));
    }
  }
  read_histories();
}

void ArchiveReader::read_histories() {
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

std::vector<std::string> ArchiveReader::holders(const std::string& file) const {
  std::vector<std::string> names;
  for (const Listed& one : listed_) {
    if (contains(one.wal.segments, file)) names.push_back(one.repository->name());
  }
  return names;
}

/// Asked for seldom: such files are not kept in mind.
bool ArchiveReader::has_backup_file(const std::string& segment) const {
  return std::any_of(listed_.begin(), listed_.end(), [&](const Listed& one) {
    return repo::StanzaView(*one.repository, stanza_)
        .has_backup_history(repo::cluster_id(cluster_), segment);
  });
}

Buffer ArchiveReader::read(const std::string& file) {
  check_stop(stop_);
  FirstError failure;
  for (const Listed& one : listed_) {
    std::optional<Buffer> content;
    failure.attempt(
        [&] { content = repo::StanzaView(*one.repository, stanza_).read_wal(cluster_, file); });
    if (content) return std::move(*content);
  }
  failure.throw_if_any();
  throw Error(format("{} is in no repository", file));
}

void ArchiveReader::follow(const std::vector<std::string>& names, std::uint64_t segment_bytes,
                           std::size_t workers, Progress& progress,
                           const std::function<bool(Bytes, Lsn)>& read_on) {
  const std::size_t at_once =
      std::clamp<std::size_t>(kMostFollowedBytes / segment_bytes, 1, workers);
  bool goes_on = true;
  for (std::size_t first = 0; first < names.size() && goes_on; first += at_once) {
    std::vector<Buffer> contents(std::min(at_once, names.size() - first));
    for_each_index(contents.size(), at_once, stop_, [&](std::size_t i) {
      contents[i] = read(names[first + i]);
      progress.advance(segment_bytes);
    });
    for (std::size_t i = 0; i < contents.size() && goes_on; ++i)
      goes_on = read_on(contents[i], start_of(names[first + i], segment_bytes));
  }
}

Timeline ArchiveReader::latest_of_server(Timeline from) const {
  Timeline newest = timelines_.latest_of_server(from);
  while (std::find(unread_.begin(), unread_.end(), newest + 1) != unread_.end())
    newest = timelines_.latest_of_server(newest + 1);
  return newest;
}

ArchivedNames ArchiveReader::names() const {
  return {[this](const std::string& segment) { return holders(segment); },
          [this](const std::string& from, const std::string& limit) {
            std::string first;
            for (const Listed& one : listed_) {
              const auto found =
                  std::lower_bound(one.wal.segments.begin(), one.wal.segments.end(), from);
              if (found == one.wal.segments.end() || *found >= limit) continue;
              if (first.empty() || *found < first) first = *found;
            }
            return first;
          },
          [this](const std::string& partial) {
            return std::any_of(listed_.begin(), listed_.end(), [&](const Listed& one) {
              return contains(one.wal.partials, partial);
            });
          },
          [this](const std::string& segment) { return has_backup_file(segment); }};
}

/// A timeline that goes on from the missing segment's end shows that there is a gap, though it is
/// not followed. Its first segment; empty for none.
std::string ArchiveReader::first_of(Timeline timeline, std::uint64_t segment_bytes) const {
  if (timeline == 0) return {};
  return names().first(wal_segment_name({timeline, 0}, segment_bytes),
                       wal_segment_name({timeline + 1, 0}, segment_bytes));
}

WalReach ArchiveReader::reach(const repo::BackupMarker& backup,
                              const std::vector<TimelineSpan>& path) const {
  const std::uint64_t bytes = backup.wal_segment_bytes;
  WalReach reach = trace_wal(names(), path, number_of(backup.wal_start, bytes), bytes);
  // The restore puts it into pg_wal.
  if (reach.after_gap.empty()) {
    const Lsn end{start_of(reach.missing, bytes).value + bytes};
    reach.after_gap = first_of(timelines_.left_after(timeline_of(reach.missing), end), bytes);
    if (!reach.after_gap.empty()) reach.partial.clear();
  }
  if (!reach.partial.empty()) reach.end = Lsn{start_of(reach.missing, bytes).value + bytes};
  return reach;
}

void ArchiveReader::look_at_end(WalReach& reach, const repo::BackupMarker& backup,
                                std::size_t workers,
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

std::map<Timeline, TimelineWal> ArchiveReader::timeline_wal() const {
  std::map<Timeline, TimelineWal> wal;
  for (const Listed& one : listed_) {
    for (const std::string& name : one.wal.segments) note_archived(wal, name);
    for (const std::string& name : one.wal.partials) note_archived(wal, name);
  }
  return wal;
}

EndOfBackup ArchiveReader::look_at_backup_end(const WalReach& reach,
                                              const repo::BackupMarker& backup) {
  EndOfBackup end;
  postgres::WalRecordReader reader([&](const postgres::WalRecord& record) {
    if (record.start >= reach.end) return;
    if (record.start >= backup.stop_lsn) {
      end.is_followed = true;
    } else {
      end.last_record = std::max(end.last_record, record.start);
    }
  });
  const std::uint64_t bytes = backup.wal_segment_bytes;
  std::vector<std::string> names = segments_of(reach, bytes);
  if (!reach.partial.empty()) names.push_back(reach.partial);
  std::size_t looked_at = 0;
  for (const std::string& name : names) {
    const Lsn start = start_of(name, bytes);
    // The record may have begun in the segment before.
    if (start.value + 2 * bytes < backup.stop_lsn.value) continue;
    if (end.is_followed || ++looked_at > kMostLookedAt) break;
    reader.read(read(name), start);
  }
  return end;
}

Found ArchiveReader::search(const SoughtRecord& sought, const repo::BackupMarker& backup,
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
    found |= sought.xid ? ends && record.xid == *sought.xid
                        : record.kind == Kind::restore_point && record.name == sought.restore_point;
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
  const bool unsure = (unknown && sought.xid) || !notes_.empty();
  return unsure ? Found::unknown : Found::no;
}

}  // namespace pgcairn::engine
