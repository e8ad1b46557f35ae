#include "wal/recorded_limits.hpp"

#include "wal/source.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/wal_file.hpp>
#include <pgcairn/postgres/wal_records.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr std::uint64_t kPieceBytes = kMiB;

/// The last page of the segment before, out of the same directory; empty when it is not there, or
/// is not that segment any more.
Buffer page_before(const fs::path& file, const postgres::WalHeader& header) {
  const auto segment =
      parse_wal_segment_name(file.filename().native().substr(0, 24), header.segment_bytes);
  if (!segment || segment->number == 0) return {};
  const std::string name =
      wal_segment_name({segment->timeline, segment->number - 1}, header.segment_bytes);
  const auto source = WalSource::open_if_exists(file.parent_path() / name);
  if (!source || source->content().size_bytes != header.segment_bytes) return {};
  Buffer page(postgres::kWalPageBytes);
  source->content().read(header.segment_bytes - page.size(), page.writable());
  return page;
}

/// Was it noted on the way from the backup's start through the timelines to `end`?
bool is_on_way(const repo::LimitsRecord& limits, const repo::BackupMarker& backup,
               std::span<const TimelineSpan> path, Lsn end) {
  if (limits.cluster != backup.cluster || limits.lsn < backup.start_lsn || limits.lsn >= end)
    return false;
  return std::any_of(path.begin(), path.end(), [&](const TimelineSpan& span) {
    // The first segment of a timeline begins with the end of the one before.
    const std::uint64_t begin = span.begin.value - span.begin.value % backup.wal_segment_bytes;
    return span.timeline == limits.timeline && limits.lsn.value >= begin &&
           (span.end.value == 0 || limits.lsn < span.end);
  });
}

/// Most segments have no note: to see that, their records need not be read.
bool may_note_limits(const repo::WalContent& segment) {
  Buffer piece;
  for (std::uint64_t at = 0; at < segment.size_bytes; at += piece.size()) {
    piece.resize(std::min(kPieceBytes, segment.size_bytes - at));
    segment.read(at, piece.writable());
    if (postgres::may_note_limits(piece)) return true;
  }
  return false;
}

}  // namespace

std::vector<RecordedLimits> limits_in(const repo::WalContent& segment, const std::string& name,
                                      const std::filesystem::path& file) {
  std::vector<RecordedLimits> found;
  if (wal_file_kind(name) != WalFileKind::segment) return found;
  Buffer piece(std::min<std::uint64_t>(kPieceBytes, segment.size_bytes));
  segment.read(0, piece.writable());
  const postgres::WalHeader header = postgres::parse_wal_header(piece, name);
  Lsn at = header.page_address;
  postgres::WalRecordReader reader([&](const postgres::WalRecord& record) {
    if (record.kind == postgres::WalRecord::Kind::limits && record.end > header.page_address)
      found.push_back({record.start, record.limits});
  });
  Buffer before;
  if (postgres::may_continue_limits(piece)) before = page_before(file, header);
  if (!may_note_limits(segment) && !postgres::may_note_limits(before)) return found;
  if (!before.empty()) reader.read(before, Lsn{at.value - before.size()});
  for (std::uint64_t done = 0;;) {
    reader.read(piece, at);
    at.value += piece.size();
    done += piece.size();
    if (done >= segment.size_bytes) return found;
    piece.resize(std::min(kPieceBytes, segment.size_bytes - done));
    segment.read(done, piece.writable());
  }
}

void record_limits(repo::Repository& repository, const std::string& stanza,
                   const repo::Cluster& cluster, const std::string& segment,
                   const std::vector<RecordedLimits>& limits) {
  const auto timeline = parse_u64(std::string_view(segment).substr(0, 8), 16);
  if (limits.empty() || repository.has_wal(stanza, cluster, segment)) return;
  try {
    for (const RecordedLimits& one : limits) {
      repo::add_record(
          repository, stanza,
          repo::LimitsRecord{repo::cluster_id(cluster), static_cast<Timeline>(timeline.value_or(0)),
                             one.at, one.limits});
    }
  } catch (const Error& error) {
    log_warn(format("the server's limits in {} are not recorded in repository \"{}\": {}", segment,
                    repository.name(), error.message()));
  }
}

std::vector<repo::LimitsRecord> read_limits(const std::string& stanza,
                                            std::span<repo::Repository> repositories) {
  std::vector<repo::LimitsRecord> found;
  for (repo::Repository& repository : repositories) {
    try {
      for (const repo::Record& record :
           repo::read_records(repository, stanza, {"limits"}, [](const DamagedError& error) {
             log_warn(format("a record is skipped: {}", error.message()));
           }))
        found.push_back(std::get<repo::LimitsRecord>(record.content));
    } catch (const Error& error) {
      log_detail(format("the records of repository \"{}\" are not read: {}", repository.name(),
                        error.message()));
    }
  }
  return found;
}

std::optional<Lsn> minimal_on_way(std::span<const repo::LimitsRecord> limits,
                                  const repo::BackupMarker& backup,
                                  std::span<const TimelineSpan> path, Lsn end) {
  std::optional<Lsn> first;
  for (const repo::LimitsRecord& one : limits) {
    if (one.limits.wal_level != kWalLevelMinimal || !is_on_way(one, backup, path, end)) continue;
    if (!first || one.lsn < *first) first = one.lsn;
  }
  return first;
}

std::vector<RecordedLimits> limits_on_way(std::span<const repo::LimitsRecord> limits,
                                          const repo::BackupMarker& backup,
                                          std::span<const TimelineSpan> path, Lsn end) {
  std::vector<RecordedLimits> found;
  for (const repo::LimitsRecord& one : limits) {
    if (is_on_way(one, backup, path, end)) found.push_back({one.lsn, one.limits});
  }
  std::sort(found.begin(), found.end(),
            [](const auto& one, const auto& other) { return one.at < other.at; });
  return found;
}

}  // namespace pgcairn::engine
