#include "restore_target.hpp"

#include "branch_ends.hpp"
#include "recorded_damage.hpp"
#include "recovery_settings.hpp"
#include "restore_choice.hpp"
#include "wal_archive.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>

namespace pgcairn::engine {

bool has_target(RestoreType type) {
  switch (type) {
    case RestoreType::immediate:
    case RestoreType::time:
    case RestoreType::xid:
    case RestoreType::lsn:
    case RestoreType::name:
      return true;
    default:
      return false;
  }
}

namespace {

constexpr const char* kSwitchHint =
    "if the cluster still runs, \"SELECT pg_switch_wal()\" there brings its latest WAL into the "
    "archive: then try again; ";

constexpr std::size_t kMostProved = 64;  // segments
// Where what is found on the way is only named: reading all of it may take longer than the restore.
constexpr std::size_t kMostFollowed = 64;
// Segments at the end of the WAL that are opened for the last transaction; what decides whether a
// target can be reached is looked for at least so long.
constexpr std::size_t kMostLookedAt = 16;
constexpr std::chrono::seconds kLongestLook{60};

/// The archives of the stanza's clusters, each listed when it is asked for, and their branches.
class Archives {
 public:
  Archives(std::string stanza, std::span<repo::Repository> repositories)
      : stanza_(std::move(stanza)), repositories_(repositories) {}

  /// Backups of one of the repositories: what is a branch follows from those of all.
  void know(std::span<const repo::BackupInfo> backups) {
    for (const repo::BackupInfo& backup : backups)
      backups_[backup.cluster].push_back({backup.timeline, backup.stop_lsn});
    branches_.clear();
  }
  const Branches& branches_of(const repo::BackupInfo& backup) {
    auto found = branches_.find(backup.cluster);
    if (found == branches_.end()) {
      const WalArchive& archive = of(backup);
      const auto& unread = archive.unread_histories();
      BranchSources sources{archive.timelines(),
                            {unread.begin(), unread.end()},
                            archive.timeline_wal(),
                            backups_[backup.cluster],
                            backup.wal_segment_bytes};
      found = branches_.emplace(backup.cluster, Branches(std::move(sources))).first;
    }
    return found->second;
  }

  WalArchive& of(const repo::BackupInfo& backup) {
    auto& archive = archives_[backup.cluster];
    if (!archive) {
      archive = std::make_unique<WalArchive>(
          stanza_, repo::Cluster{backup.system_id, backup.pg_version}, repositories_);
    }
    return *archive;
  }

 private:
  std::string stanza_;
  std::span<repo::Repository> repositories_;
  std::map<std::string, std::unique_ptr<WalArchive>> archives_;
  std::map<std::string, std::vector<BranchSources::Backup>> backups_;
  std::map<std::string, Branches> branches_;
};

/// Tells an unknown stanza from one without the backup that is looked for. What is not needed to
/// restore (the stanza's identity) is not looked at while there is something to restore.
void require_stanza(repo::Repository& repository, const std::string& stanza) {
  if (!repository.clusters(stanza).empty()) return;
  throw MissingError(
      format("there is no stanza \"{}\" in repository \"{}\"", stanza, repository.name()),
      "check --stanza; \"pgcairn info\" lists the stanzas");
}

std::vector<repo::BackupInfo> named(repo::Repository& repository, const std::string& stanza,
                                    const RestoreOptions& options) {
  std::vector<repo::BackupInfo> backups;
  try {
    backups.push_back(repository.read_backup(stanza, options.set));
  } catch (const MissingError&) {
    require_stanza(repository, stanza);
    throw;
  }
  if (options.accept_damage) return backups;
  if (const auto damage = recorded_damage(repository, stanza).of(options.set)) {
    throw DamagedError(
        repo::marker_key(stanza, options.set), 0, *damage,
        "restore another backup; or add --accept-damage: what is damaged is met when it is read, "
        "and ends the restore");
  }
  return backups;
}

/// Leaves out backups that verify found damaged.
void leave_out_damaged(repo::Repository& repository, const std::string& stanza,
                       const RestoreOptions& options, std::vector<repo::BackupInfo>& backups) {
  const RecordedDamage damages = recorded_damage(repository, stanza);
  std::optional<DamagedError> first;
  const std::string newest = backups.empty() ? "" : backups.back().label;
  std::erase_if(backups, [&](const repo::BackupInfo& backup) {
    const auto damage = damages.of(backup.label);
    if (!damage) return false;
    log_warn(format("backup {} is passed over: {}", backup.label, *damage));
    if (!first) {
      first.emplace(repo::marker_key(stanza, backup.label), 0, *damage,
                    format("name another backup with --set; or restore this one all the same with "
                           "--set={} --accept-damage",
                           backup.label));
    }
    return true;
  });
  if (!first) return;
  const bool ends_with_backup =
      options.type == RestoreType::immediate || options.type == RestoreType::none;
  if (backups.empty() || (ends_with_backup && backups.back().label != newest)) throw *first;
}

/// The backups among which to choose. One that was named is read alone. A damaged marker keeps the
/// others from being restored only where they would not lead to the same state: replay of WAL makes
/// up for an older backup, unless the target is the end of the backup itself.
std::vector<repo::BackupInfo> candidates(repo::Repository& repository, const std::string& stanza,
                                         const RestoreOptions& options) {
  repository.open();
  if (!options.set.empty() && options.set != "latest") return named(repository, stanza, options);
  std::vector<DamagedError> damaged;
  auto backups =
      repository.backups(stanza, [&](const DamagedError& error) { damaged.push_back(error); });
  if (damaged.empty() && backups.empty()) require_stanza(repository, stanza);
  if (!damaged.empty()) {
    damaged.front().set_hint("name another backup with --set; \"pgcairn info\" lists them");
    if (backups.empty() || options.type == RestoreType::immediate) throw damaged.front();
  }
  for (const DamagedError& error : damaged) log_warn(format("passed over: {}", error.message()));
  leave_out_damaged(repository, stanza, options, backups);
  return backups;
}

ChoiceSources sources_of(Archives& archives, const RestoreOptions& options) {
  return {[&](const repo::BackupInfo& backup) -> const Branches& {
            return archives.branches_of(backup);
          },
          [&](const repo::BackupInfo& backup, const std::vector<TimelineSpan>& path) {
            return archives.of(backup).search(options, backup, path);
          }};
}

/// A repository with the backups among which to choose.
struct Offer {
  repo::Repository* repository = nullptr;
  std::vector<repo::BackupInfo> backups;
};

/// The best backup of all repositories. One that cannot answer is passed over aloud; that none can
/// is an error.
void choose(RestorePlan& plan, std::span<repo::Repository> repositories,
            const PassedOver& passed_over, Archives& archives) {
  const ChoiceSources sources = sources_of(archives, plan.options);
  std::exception_ptr first;
  std::vector<std::string> notes;
  const auto pass_over = [&](const repo::Repository& repository, const std::string& reason) {
    notes.push_back(format("repository \"{}\" is passed over: {}", repository.name(), reason));
  };
  const auto attempt = [&](const repo::Repository& repository, const auto& work) {
    try {
      work();
    } catch (const Error& error) {
      if (!first) first = std::current_exception();
      if (repositories.size() == 1) return;
      pass_over(repository, error.message());
      log_warn(format("repository \"{}\" is passed over: {}", repository.name(), error.render()));
    }
  };
  std::vector<Offer> offers;
  for (repo::Repository& repository : repositories) {
    if (const auto known = passed_over.find(&repository); known != passed_over.end()) {
      pass_over(repository, known->second);
      continue;
    }
    attempt(repository, [&] {
      offers.push_back({&repository, candidates(repository, plan.stanza, plan.options)});
      archives.know(offers.back().backups);
    });
  }
  for (const Offer& offer : offers) {
    attempt(*offer.repository, [&] {
      Choice choice = choose_backup(offer.backups, plan.options, sources);
      if (plan.repository != nullptr && choice.backup->stop_time <= plan.backup.stop_time) return;
      plan.repository = offer.repository;
      plan.backup = *choice.backup;
      plan.reason = std::move(choice.reason);
      plan.path = std::move(choice.path);
      plan.notes = std::move(choice.notes);
    });
  }
  if (plan.repository == nullptr) std::rethrow_exception(first);
  plan.notes.insert(plan.notes.end(), notes.begin(), notes.end());
}

/// The WAL that makes the backup consistent.
void check_needed(const RestorePlan& plan) {
  const repo::BackupInfo& backup = plan.backup;
  const auto last = *parse_wal_segment_name(backup.wal_stop, backup.wal_segment_bytes);
  const Lsn end{(last.number + 1) * backup.wal_segment_bytes};
  if (plan.wal.end >= end || plan.wal.end >= backup.stop_lsn) return;
  throw WalMissingError(format("backup {} needs WAL {} to {}, and the archive lacks {}",
                               backup.label, backup.wal_start, backup.wal_stop, plan.wal.missing),
                        "restore another backup with --set; \"pgcairn info\" lists them");
}

/// Reads the WAL that makes the backup consistent: a damaged segment would be found only by the
/// restored server. Of a long range both ends are read; all of it may be terabytes.
void prove_needed(const RestorePlan& plan, WalArchive& archive) {
  const repo::BackupInfo& backup = plan.backup;
  std::vector<std::string> names = segments_of(plan.wal, backup.wal_segment_bytes);
  std::erase_if(
      names, [&](const std::string& name) { return name.substr(8) > backup.wal_stop.substr(8); });
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i >= kMostProved / 2 && names.size() - i > kMostProved / 2) continue;
    doing([&] { return format("reading the WAL that backup {} needs", backup.label); },
          [&] { archive.read(names[i]); });
  }
}

std::string gap_words(const WalReach& wal) {
  return wal.after_gap.empty()
             ? ""
             : format(" ({} is missing, {} is there)", wal.missing, wal.after_gap);
}

// recoveryStopsBefore, xlogrecovery.c: only the end of a later transaction shows that a time has
// come.
bool is_reached(const WalReach& wal, const RestoreOptions& options) {
  if (options.type == RestoreType::lsn) return wal.last_record >= *options.target_lsn;
  if (!wal.last_commit) return false;
  return options.target_exclusive ? *wal.last_commit >= *options.target_time
                                  : *wal.last_commit > *options.target_time;
}

/// A few segments: enough for what is only shown.
bool a_few(std::size_t looked_at) {
  return looked_at < kMostLookedAt;
}

/// What decides whether a target can be reached is looked for longer.
std::function<bool(std::size_t)> patiently() {
  const auto until = std::chrono::steady_clock::now() + kLongestLook;
  return [until](std::size_t looked_at) {
    return a_few(looked_at) || std::chrono::steady_clock::now() < until;
  };
}

/// The branch on which a target is reached that is not on the wanted one, for a hint; empty when
/// there is none, or none that could be looked at.
std::string other_branch(const RestorePlan& plan, Archives& archives) {
  const auto backups = candidates(*plan.repository, plan.stanza, plan.options);
  WalArchive& archive = archives.of(plan.backup);
  std::vector<Timeline> others = archives.branches_of(plan.backup).tips();
  std::erase(others, plan.path.back().timeline);
  for (const Timeline other : others) {
    RestoreOptions options = plan.options;
    options.timeline = {TimelineChoice::Kind::number, other};
    try {
      const Choice choice = choose_backup(backups, options, sources_of(archives, options));
      WalReach wal = archive.reach(*choice.backup, choice.path);
      archive.look_at_end(wal, *choice.backup, options.workers, a_few);
      if (is_reached(wal, options)) {
        return format("timeline {} reaches it: try --target-timeline={}; ", timeline_text(other),
                      other);
      }
    } catch (const Error& error) {
      log_detail(format("timeline {} does not help: {}", other, error.message()));
    }
  }
  return {};
}

void check_time(RestorePlan& plan, Archives& archives) {
  const WalReach& wal = plan.wal;
  if (is_reached(wal, plan.options)) return;
  const Timestamp target = *plan.options.target_time;
  if (!wal.end_is_known) {
    plan.notes.push_back(
        format("WHETHER THE TARGET TIME IS REACHED WAS NOT FOUND OUT: the end of the archived WAL "
               "holds no transaction for longer than was looked ({} s); when none ended after the "
               "target time, the server says so at the end of the WAL, and stops",
               std::chrono::duration_cast<std::chrono::seconds>(kLongestLook).count()));
    return;
  }
  if (!wal.last_commit) {
    throw UsageError(
        format("no transaction ended in the archived WAL after backup {}, so recovery cannot find "
               "the target time {}; the archive ends with {}{}",
               plan.backup.label, format_utc(target), wal.last, gap_words(wal)),
        format("{}{}all that is archived is restored with --type=default",
               other_branch(plan, archives), kSwitchHint));
  }
  throw UsageError(
      format("the archive ends at {} ({}), not after the target time {} ({}){}",
             format_utc(*wal.last_commit), format_local(*wal.last_commit), format_utc(target),
             format_local(target), gap_words(wal)),
      format("{}{}restore to that with --type=default", other_branch(plan, archives), kSwitchHint));
}

void check_lsn(const RestorePlan& plan, Archives& archives) {
  const WalReach& wal = plan.wal;
  if (is_reached(wal, plan.options)) return;
  throw UsageError(
      format("the archive ends at {}, before the target LSN {}{}", to_string(wal.last_record),
             to_string(*plan.options.target_lsn), gap_words(wal)),
      format("{}{}restore to that with --type=lsn --target={}", other_branch(plan, archives),
             kSwitchHint, to_string(wal.last_record)));
}

/// Tells the branches from each other where there are several, by the last transaction of each.
void compare_branches(RestorePlan& plan, const Branches& branches, WalArchive& archive,
                      bool end_was_read) {
  if (branches.tips().size() < 2) return;
  plan.branches = read_branch_ends(branches, plan.backup.cluster,
                                   [&](const std::string& file) { return archive.read(file); });
  const Timeline to = plan.path.back().timeline;
  const auto chosen = std::find_if(plan.branches.begin(), plan.branches.end(),
                                   [&](const Branch& one) { return one.timeline == to; });
  if (chosen == plan.branches.end()) return;
  // It may have no transaction of its own yet, and those before it are its own, too.
  if (end_was_read && !chosen->last_commit) chosen->last_commit = plan.wal.last_commit;
  const bool is_default = plan.options.timeline.kind != TimelineChoice::Kind::number;
  if (!is_default || !plan.options.set.empty()) return;
  for (const Branch& other : plan.branches) {
    if (!other.last_commit || !chosen->last_commit || *other.last_commit <= *chosen->last_commit)
      continue;
    plan.notes.push_back(
        format("TIMELINE {} HAS A LATER LAST TRANSACTION ({}) than timeline {} ({}), which this "
               "restore follows because it is the newest: is that the life you want? {}",
               timeline_text(other.timeline), format_utc(*other.last_commit), timeline_text(to),
               format_utc(*chosen->last_commit),
               format("--target-timeline={} follows the other", other.timeline)));
  }
}

void add_notes(RestorePlan& plan, const WalArchive& archive) {
  const WalReach& wal = plan.wal;
  plan.notes.insert(plan.notes.end(), archive.notes().begin(), archive.notes().end());
  const bool to_the_end =
      plan.options.type == RestoreType::latest || plan.options.type == RestoreType::standby;
  if (to_the_end && !wal.after_gap.empty()) {
    plan.notes.push_back(
        format("THE ARCHIVE HAS A GAP: {} is missing while {} is there; recovery ends before it, "
               "and what came after is lost to it",
               wal.missing, wal.after_gap));
  }
  if (plan.options.type == RestoreType::none && !plan.options.isolated) {
    plan.notes.push_back(
        "the server goes on in the timeline of its source: archived under the same stanza, its WAL "
        "would be refused (--archive-mode=off keeps it from trying)");
  }
}

/// Reads the WAL on the way for what leads out of the data directory. An isolated copy must know
/// all of it; elsewhere it is named as far as that is quick.
void follow_way(RestorePlan& plan, WalArchive& archive) {
  if (plan.options.sandboxed) return;
  const repo::BackupInfo& backup = plan.backup;
  std::vector<std::string> names = segments_of(plan.wal, backup.wal_segment_bytes);
  if (!plan.wal.partial.empty()) names.push_back(plan.wal.partial);
  if (plan.options.type == RestoreType::none) {
    std::erase_if(names, [&](const std::string& name) {
      return name.substr(8, 16) > backup.wal_stop.substr(8);
    });
  }
  const std::size_t all = names.size();
  if (!plan.options.isolated) names.resize(std::min(all, kMostFollowed));
  WalWay way(plan.options, backup, plan.wal.end);
  try {
    archive.follow(way, names, backup.wal_segment_bytes, plan.options.workers);
  } catch (const Error& error) {
    if (plan.options.isolated) throw;
    plan.notes.push_back(
        format("tablespaces made after the backup are not all known: {}", error.message()));
  }
  if (names.size() < all && !way.is_over()) {
    plan.notes.push_back(
        format("tablespaces made after the backup are looked for in the first {} of {} segments",
               names.size(), all));
  }
  plan.way = {way.created(), way.before_created(), way.end(), {}};
  // A guarded copy cannot read the record that it would stop before.
  if (plan.options.isolated && plan.options.type == RestoreType::lsn &&
      way.stops_before_created() && way.last_record() >= backup.stop_lsn)
    plan.way.stop_after = way.last_record();
}

/// What the server cannot fetch itself, or must not be asked to.
void place_wal(RestorePlan& plan) {
  const repo::BackupInfo& backup = plan.backup;
  if (plan.options.type == RestoreType::none) {
    for (const std::string& name : segments_of(plan.wal, backup.wal_segment_bytes)) {
      if (name.substr(8) <= backup.wal_stop.substr(8)) plan.wal_files.push_back({name, name});
    }
  }
  // Recovery never asks for a ".partial" (xlogarchive.c): under its segment's name in pg_wal it is
  // found when the archive has nothing better.
  if (!plan.wal.partial.empty() && !signal_file(plan.options.type).empty() &&
      plan.options.type != RestoreType::immediate) {
    plan.wal_files.push_back({plan.wal.partial, plan.wal.missing});
    plan.notes.push_back(
        format("{} is the only holder of the end of its timeline: it is put into pg_wal",
               plan.wal.partial));
  }
}

}  // namespace

void plan_target(RestorePlan& plan, std::span<repo::Repository> repositories,
                 const PassedOver& passed_over) {
  Archives archives(plan.stanza, repositories);
  choose(plan, repositories, passed_over, archives);
  WalArchive& archive = archives.of(plan.backup);
  plan.wal = archive.reach(plan.backup, plan.path);
  plan.server_latest = archive.latest_of_server(plan.backup.timeline);
  plan.wal_needed = {plan.backup.wal_start, plan.backup.wal_stop};
  check_needed(plan);
  prove_needed(plan, archive);
  const RestoreType type = plan.options.type;
  const bool whole =
      type != RestoreType::immediate && type != RestoreType::none && type != RestoreType::preserve;
  if (whole) {
    archive.look_at_end(plan.wal, plan.backup, plan.options.workers,
                        type == RestoreType::time ? patiently() : a_few);
  }
  if (type == RestoreType::time) check_time(plan, archives);
  if (type == RestoreType::lsn) check_lsn(plan, archives);
  compare_branches(plan, archives.branches_of(plan.backup), archive, whole);
  add_notes(plan, archive);
  doing([&] { return format("reading the WAL that leads to the target"); },
        [&] { follow_way(plan, archive); });
  plan.all_repositories = repositories;
  place_wal(plan);
}

}  // namespace pgcairn::engine
