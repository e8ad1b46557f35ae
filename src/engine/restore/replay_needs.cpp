#include "restore/replay_needs.hpp"

#include "restore/paths.hpp"
#include "wal/recorded_limits.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

// Where what is found on the way is only named: reading all of it may take longer than the restore.
constexpr std::size_t kMostFollowed = 64;  // segments

constexpr std::uint32_t kDefaultSpace = 1663;  // oid of pg_default

std::vector<std::string> segments_on_way(const RestorePlan& plan) {
  const repo::BackupMarker& backup = plan.backup;
  std::vector<std::string> names = segments_of(plan.wal, backup.wal_segment_bytes);
  if (!plan.wal.partial.empty()) names.push_back(plan.wal.partial);
  if (plan.options.target.type() == RestoreType::none) {
    std::erase_if(names, [&](const std::string& name) {
      return name.substr(8, 16) > backup.wal_stop.substr(8);
    });
  }
  return names;
}

/// An isolated copy must know all of the way; elsewhere as much is read as is quick, and what the
/// restore cannot do without. How many segments were followed.
std::size_t follow(RestorePlan& plan, ArchiveReader& archive, WalWay& way,
                   const std::vector<std::string>& names, bool all, Progress& progress) {
  std::size_t done = 0;
  const std::size_t first = all ? names.size() : std::min(names.size(), kMostFollowed);
  progress.phase("reading the WAL up to the target", first * plan.backup.wal_segment_bytes);
  const auto wanted = [&] { return all || done < kMostFollowed || !way.is_settled(); };
  try {
    while (done < names.size() && !way.is_over() && wanted()) {
      const auto from = names.begin() + static_cast<std::ptrdiff_t>(done);
      const std::size_t count = std::min(kMostFollowed, names.size() - done);
      archive.follow({from, from + static_cast<std::ptrdiff_t>(count)},
                     plan.backup.wal_segment_bytes, plan.options.workers, progress,
                     [&](Bytes segment, Lsn start) {
                       way.read(segment, start);
                       return !way.is_over();
                     });
      done += count;
    }
  } catch (const Error& error) {
    if (plan.options.isolated) throw;
    plan.notes.push_back(
        format("not all of what the WAL on the way requires is known: {}", error.message()));
  }
  return done;
}

[[noreturn]] void refuse_minimal(const RestorePlan& plan, Lsn at) {
  const bool has_state = at >= plan.backup.stop_lsn;
  throw NotReplayableError(
      format("recovery from backup {} cannot get past LSN {}: the server ran with "
             "wal_level=minimal from there on, and what it changed then is not in the WAL",
             plan.backup.label, to_string(at)),
      format("{}a backup that was begun later, when wal_level was higher again, reaches what came "
             "after; nothing was touched",
             has_state ? format("end before it with --type=lsn --target={} --target-exclusive; or ",
                                to_string(at))
                       : std::string()));
}

/// The settings that the restored configuration lacks, or has too low.
void set_limits(RestorePlan& plan, const std::optional<ServerLimits>& met) {
  const repo::BackupMarker& backup = plan.backup;
  if (!backup.limits && !met) return;
  const ServerLimits needed = backup.limits && met
                                  ? highest(*backup.limits, *met)
                                  : met.value_or(backup.limits.value_or(ServerLimits{}));
  std::string raised;
  for (std::size_t i = 0; i < kLimitNames.size(); ++i) {
    const bool kept = backup.limits && backup.limits->values[i] == needed.values[i];
    if (kept && backup.limits_configured) continue;
    plan.limits.emplace_back(kLimitNames[i], std::to_string(needed.values[i]));
    raised += format("{}{} = {}", raised.empty() ? "" : ", ", kLimitNames[i], needed.values[i]);
  }
  if (raised.empty()) return;
  plan.notes.push_back(
      format("the server that wrote the WAL ran with {}, and recovery needs at least these values: "
             "they are set in postgresql.auto.conf",
             raised));
}

void leave_out_unlogged(RestorePlan& plan, const WalWay& way) {
  const repo::BackupMarker& backup = plan.backup;
  plan.unlogged.insert(backup.unlogged.begin(), backup.unlogged.end());
  if (!backup.unsettled_before) return;
  for (const postgres::RelationName& relation : way.unlogged())
    plan.unlogged.insert(relation_path(relation, backup));
  const bool goes_on = plan.options.target.type() == RestoreType::latest ||
                       plan.options.target.type() == RestoreType::standby;
  if (way.is_settled() || !goes_on) return;
  plan.notes.push_back(
      "when the backup ended, relations were being made, and the archived WAL does not show what "
      "became of them: if one was an unlogged index that is finished in WAL which is archived "
      "later, the server cannot end recovery after it. Plan the restore again when more WAL is "
      "archived, or restore a newer backup");
}

}  // namespace

std::string relation_path(const postgres::RelationName& relation,
                          const repo::BackupMarker& backup) {
  const std::string folder =
      relation.space == kDefaultSpace
          ? std::string("base")
          : format("pg_tblspc/{}/{}", relation.space, tablespace_directory(backup));
  return format("{}/{}/{}", folder, relation.database, relation.relfilenode);
}

void follow_way(RestorePlan& plan, ArchiveReader& archive, std::span<repo::Repository> repositories,
                Progress& progress) {
  const repo::BackupMarker& backup = plan.backup;
  const std::vector<std::string> names = segments_on_way(plan);
  const std::vector<RecordedLimits> recorded =
      limits_on_way(read_limits(plan.stanza, repositories), backup, plan.path, plan.wal.end);
  const bool minimal = std::any_of(recorded.begin(), recorded.end(), [](const auto& one) {
    return one.limits.wal_level == kWalLevelMinimal;
  });
  WalWay way(plan.options.target, backup, plan.wal.end);
  // Whether recovery ends before that, only the records of the way tell.
  const std::size_t done =
      follow(plan, archive, way, names, plan.options.isolated || minimal, progress);
  if (way.minimal()) refuse_minimal(plan, *way.minimal());
  if (done < names.size() && !way.is_over()) {
    plan.notes.push_back(
        format("tablespaces created after the backup are looked for in the first {} of {} segments",
               done, names.size()));
  }
  std::optional<ServerLimits> met = way.limits();
  for (const RecordedLimits& one : recorded) {
    if (way.end() && one.at >= *way.end()) continue;
    met = met ? highest(*met, one.limits) : one.limits;
  }
  set_limits(plan, met);
  leave_out_unlogged(plan, way);
  plan.way = {way.created(), way.before_created(), way.end(), plan.way.stop_after};
  // Its server is shown other places under these names.
  if (plan.options.sandboxed) plan.way.created.clear();
  // A guarded copy cannot read the record that it would stop before.
  if (plan.options.isolated && plan.options.target.lsn() != nullptr && way.stops_before_created() &&
      way.last_record() >= backup.stop_lsn)
    plan.way.stop_after = way.last_record();
}

}  // namespace pgcairn::engine
