#include "status/outlook.hpp"

#include "restore/preference.hpp"
#include "stanza/recorded_damage.hpp"
#include "wal/branch_ends.hpp"
#include "wal/gap.hpp"
#include "wal/recorded_limits.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

Flaws recorded_flaws(std::span<const repo::BackupMarker> backups,
                     const repo::RecordState* record_state) {
  Flaws flaws;
  if (record_state == nullptr) return flaws;
  std::vector<std::string> labels;
  for (const repo::BackupMarker& backup : backups) labels.push_back(backup.label);
  const RecordedDamage damages(*record_state);
  for (const std::string& label : damaged_of(*record_state, labels))
    flaws[label] = {Flaw::Kind::damaged, *damages.of(label)};
  return flaws;
}

/// The holes on the way to the chosen backup's place, from the oldest backup on.
std::vector<Outlook::Hole> holes_before(const repo::BackupMarker& chosen,
                                        std::span<const repo::BackupMarker> backups,
                                        const ArchivedWal& wal, Timeline timeline) {
  const std::uint64_t bytes = chosen.wal_segment_bytes;
  std::uint64_t oldest = UINT64_MAX;
  for (const repo::BackupMarker& backup : backups)
    oldest = std::min(oldest, number_of(backup.wal_start, bytes));
  std::vector<Outlook::Hole> holes;
  const ArchivedNames names = names_of(wal);
  const std::vector<TimelineSpan> path = wal.timelines.whole_path(timeline);
  const WalPieces pieces(names, path, bytes);
  const KnownBackups known(backups, chosen.cluster, bytes);
  for (const WalPieces::Piece& piece : pieces.all()) {
    const WalReach& reach = piece.reach;
    const Gap gap = judge_gap(names, wal.timelines, path, reach, known);
    if (gap < Gap::doubtful) continue;
    const std::uint64_t missing = number_of(reach.missing, bytes);
    if (missing < oldest || missing >= number_of(chosen.wal_start, bytes)) continue;
    holes.push_back({reach.missing, reach.after_gap, gap});
  }
  return holes;
}

std::vector<repo::LimitsRecord> limits_of(const repo::RecordState* record_state) {
  std::vector<repo::LimitsRecord> limits;
  if (record_state == nullptr) return limits;
  for (const repo::Record& record : record_state->records()) {
    if (const auto* const one = std::get_if<repo::LimitsRecord>(&record.content))
      limits.push_back(*one);
  }
  return limits;
}

void note_newest_on_way(Outlook& outlook, std::span<const repo::BackupMarker> backups,
                        const Branches& branches) {
  const auto newest = branches.newest();
  for (const repo::BackupMarker& backup : backups) {
    if (newest && branches.leads(backup.timeline, backup.stop_lsn, *newest) == Leads::no) continue;
    outlook.newest_on_way = backup.label;
    outlook.newest_stop = backup.stop_time;
  }
}

}  // namespace

std::optional<Outlook> outlook_of(std::span<const repo::BackupMarker> all,
                                  const repo::RecordState* record_state, const ArchivedWal& wal,
                                  const std::string& looked_from) {
  if (all.empty()) return std::nullopt;
  std::vector<repo::BackupMarker> backups;
  for (const repo::BackupMarker& backup : all) {
    // Names of segments of another size say nothing here.
    if (backup.cluster == all.back().cluster &&
        backup.wal_segment_bytes == all.back().wal_segment_bytes)
      backups.push_back(backup);
  }
  const ArchivedNames names = names_of(wal);
  const std::vector<repo::LimitsRecord> limits = limits_of(record_state);
  const ReachOf reach_of = [&](const repo::BackupMarker& backup,
                               const std::vector<TimelineSpan>& path) {
    const std::uint64_t bytes = backup.wal_segment_bytes;
    WalReach reach = trace_wal(names, path, number_of(backup.wal_start, bytes), bytes);
    reach.end = minimal_on_way(limits, backup, path, reach.end).value_or(reach.end);
    return reach;
  };
  const Branches branches(branch_sources(wal, backups));
  const ChoiceSources sources{
      [&](const repo::BackupMarker&) -> const Branches& { return branches; },
      [](const repo::BackupMarker&, const std::vector<TimelineSpan>&) { return Found::unknown; }};
  Outlook outlook;
  outlook.looked_from = looked_from;
  note_newest_on_way(outlook, backups, branches);
  Preferred best;
  try {
    best = prefer_whole(backups, recorded_flaws(backups, record_state), {}, sources, reach_of);
  } catch (const Error& error) {
    outlook.unreachable_reason = error.message();
    return outlook;
  }
  const repo::BackupMarker& backup = *best.choice.backup;
  const WalReach reach = reach_of(backup, best.choice.path);
  outlook.timeline = best.choice.path.back().timeline;
  if (best.flaw.kind >= Flaw::Kind::damaged) {
    outlook.unreachable_reason =
        format("backup {} is damaged, and no whole one reaches the same end: {}", backup.label,
               best.flaw.reason);
  } else if (reach.end < backup.stop_lsn) {
    outlook.unreachable_reason =
        format("backup {} needs WAL {} to {}, and the archive lacks {}", backup.label,
               backup.wal_start, backup.wal_stop, reach.missing);
  } else {
    outlook.backup = backup.label;
  }
  outlook.first = backup.wal_start;
  if (!looked_from.empty() && backup.wal_start < looked_from) {
    outlook.beyond = true;
    return outlook;
  }
  outlook.to = reach.end;
  outlook.last = reach.last;
  const auto segment =
      std::lower_bound(wal.segments.begin(), wal.segments.end(), reach.last,
                       [](const auto& one, const std::string& name) { return one.first < name; });
  if (segment != wal.segments.end() && segment->first == reach.last)
    outlook.to_time = segment->second;
  outlook.damaged_pages = backup.page_error_count();
  if (outlook.damaged_pages > 0) outlook.first_damaged = first_damaged_page(backup);
  outlook.passed_over = std::move(best.passed_over);
  if (minimal_on_way(limits, backup, best.choice.path, Lsn{reach.end.value + 1}))
    outlook.minimal_at = reach.end;
  const Gap gap = judge_gap(names, wal.timelines, best.choice.path, reach,
                            {backups, backup.cluster, backup.wal_segment_bytes});
  if (gap >= Gap::doubtful) outlook.ends_at = {reach.missing, reach.after_gap, gap};
  outlook.holes = holes_before(backup, backups, wal, outlook.timeline);
  return outlook;
}

}  // namespace pgcairn::engine
