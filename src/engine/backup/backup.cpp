#include "backup/backup_writer.hpp"
#include "backup/changed_databases.hpp"
#include "backup/changed_pages.hpp"
#include "backup/copier.hpp"
#include "backup/counted_progress.hpp"
#include "backup/damaged_relations.hpp"
#include "backup/external_config.hpp"
#include "backup/life.hpp"
#include "backup/manifest_header.hpp"
#include "backup/pack_references.hpp"
#include "backup/page_check.hpp"
#include "backup/preflight.hpp"
#include "backup/prior_backup.hpp"
#include "backup/prior_choice.hpp"
#include "backup/resume.hpp"
#include "backup/tablespaces.hpp"
#include "backup/target_repositories.hpp"
#include "backup/unlogged_relations.hpp"
#include "backup/wal.hpp"
#include "backup/wal_copy.hpp"
#include "stanza/cluster_identity.hpp"
#include "stanza/no_checksums.hpp"
#include "stanza/owner_names.hpp"
#include "stanza/recorded_damage.hpp"
#include "wal/own_wal.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/process.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/common/version.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/engine/backup/backup.hpp>
#include <pgcairn/engine/stanza/stop.hpp>
#include <pgcairn/postgres/control.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/postgres/server.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <mutex>
#include <random>
#include <utility>

namespace pgcairn::engine {

namespace {

constexpr std::uint32_t kFrameBytes = 128 * kKiB;
// Large enough for a store with a delay for each request, small enough that a few of them fit in
// memory.
constexpr std::size_t kPackBytes = 16 * kMiB;
constexpr milliseconds kWatchPause{1000};
// Share of unmarked pages that are read anyway, to check the WAL summaries.
constexpr double kSampledShare = 0.01;

/// One run of `backup`: the cluster it reads, and what it has learned so far.
class BackupRun {
 public:
  /// `met`: what runs before this one could not read of backups that they built on.
  BackupRun(const StanzaSettings& stanza, const BackupOptions& options, Targets& targets,
            std::span<const DamagedError> met, Progress& progress, std::stop_token stop)
      : stanza_(stanza),
        options_(options),
        targets_(targets),
        met_(met),
        progress_(progress),
        stop_(std::move(stop)) {}

  /// The backup that this one builds on; empty: none.
  const std::string& prior() const { return info_.prior; }
  bool archiver_stuck() const { return wal_.brought(); }

  repo::BackupMarker run() {
    open();
    const Leases leases(
        targets_, stanza_.name, [this] { return progress_.so_far(); }, stop_);
    repository_ = targets_.good().front();
    require_own_life();
    choose_prior();
    judge_prior();
    start();
    find_changed_pages();
    find_outside();
    copy();
    name_damaged_relations(info_, stanza_.connection, stop_);
    info_.tablespaces = name_tablespaces(tablespaces_, server_.tablespaces, *connection_, stop_);
    find_hazards();
    const auto changed = changed_databases(databases_, postgres::read_databases(*connection_));
    stop_backup_mode();
    wait_for_archive();
    if (!changed.empty())
      require_databases(*repository_, stanza_.name, info_, read_until_, changed, stop_);
    return publish(leases);
  }

 private:
  void open();
  void require_own_life();
  void choose_prior();
  std::optional<std::string> build_on(const repo::BackupMarker& backup);
  void judge_prior();
  std::optional<std::string> why_not_everywhere(const repo::BackupMarker& backup);
  void start();
  void find_changed_pages();
  void find_outside();
  void copy();
  void copy_all();
  PackReferences find_references();
  void begin_again(const Error& doubt);
  std::vector<repo::ManifestPack> packs_of_others();
  FilePlan plan(const postgres::SourceFile& source);
  void copy_control_file();
  void find_hazards();
  void stop_backup_mode();
  void wait_for_archive();
  repo::BackupMarker publish(const Leases& leases);
  void keep(CopiedFile&& file);
  void watch(Workers& workers, std::stop_token stop);

  const StanzaSettings& stanza_;
  const BackupOptions& options_;
  Targets& targets_;
  std::span<const DamagedError> met_;
  repo::Repository* repository_ = nullptr;  // of the targets, the one that is read from
  CountedProgress progress_;
  std::stop_token stop_;

  std::optional<postgres::Connection> connection_;
  std::mutex connection_mutex_;  // the watching thread and page checks ask the server too
  postgres::ServerInfo server_;
  postgres::ControlFile control_;
  repo::Cluster cluster_;
  std::optional<postgres::BackupMode> mode_;
  postgres::BackupStart started_;
  std::unique_ptr<PriorBackup> prior_;  // none: the backup is full
  PriorLife prior_life_;
  BackupWal wal_{stanza_, cluster_};
  CopiedTablespaces tablespaces_;
  CopiedRelations relations_;
  std::vector<postgres::Database> databases_;  // before it
  Lsn read_until_;                             // all files were read by then
  ChangedPages changes_;
  std::vector<postgres::SourceFile> outside_;
  std::mt19937_64 random_{std::random_device{}()};
  std::optional<InterruptedBackups> interrupted_;
  std::optional<BackupWriter> writer_;
  repo::BackupMarker info_;
};

void BackupRun::open() {
  targets_.open();
  cluster_ = local_cluster(stanza_);
  targets_.each([&](repo::Repository& repository) {
    require_cluster(repository, stanza_, cluster_);
    refuse_when_stopped(repository, stanza_.name);
  });
  connection_.emplace(stanza_.connection, stop_);
  server_ = postgres::read_server_info(*connection_);
  control_ = postgres::read_control_file(stanza_.data_directory);
  info_.wal_copied = options_.copy_wal;
  check_server(stanza_, server_, control_, info_.wal_copied);
  if (info_.wal_copied && server_.in_recovery) {
    throw UsageError("a standby cannot end the WAL segment that a backup with --wal=copy needs",
                     "back up the primary, or leave --wal=copy out: the primary's archive is used");
  }

  describe_cluster(info_, cluster_, server_, control_);
  if (!info_.data_checksums) log_info(std::string(kNoChecksums));
  info_.limits_configured = postgres::limits_are_configured(*connection_);
  info_.codec = compress::name_of(options_.codec);
  info_.program_version = program_version();
  info_.host = host_name();
}

/// What this cluster archives would be refused, or stop the archiver of the one whose names it
/// uses: that shows before anything is copied.
void BackupRun::require_own_life() {
  targets_.each([&](repo::Repository& repository) {
    require_own_archive(stanza_, repository, cluster_, *connection_, server_);
  });
}

/// Before the start: its checkpoint may remove the WAL that proves it.
void BackupRun::judge_prior() {
  if (!prior_) return;
  prior_life_ = life_of(stanza_.data_directory, prior_->info());
  if (prior_life_.verdict == PriorLife::Verdict::refuted) log_warn(prior_life_.words);
}

/// The newest backup of the server's own branch that this one may build on, else the newest of
/// another one. Such that are damaged are skipped with a warning.
void BackupRun::choose_prior() {
  info_.type = options_.type;
  std::vector<repo::BackupMarker> backups;
  const auto unreadable = [](const DamagedError& error) {
    log_warn(format("a backup is not used as the prior one: {}", error.message()));
  };
  if (options_.type != repo::BackupType::full)
    backups = repository_->backups(stanza_.name, unreadable);
  const Timeline timeline =
      server_.in_recovery ? control_.timeline : postgres::current_timeline(*connection_);
  const auto candidates = prior_candidates(backups, info_.cluster, options_.type,
                                           way_to_now(stanza_.data_directory, timeline));
  const RecordedDamage damages = recorded_damage(*repository_, stanza_.name);
  for (const PriorCandidate& candidate : candidates) {
    const repo::BackupMarker& backup = *candidate.backup;
    if (backup.data_checksums != info_.data_checksums) {
      log_info(format(
          "backup {} is not used as the prior one: data checksums were switched on or off since",
          backup.label));
      continue;
    }
    auto reason = damages.of(backup.label);
    if (!reason) reason = needs_one_of(backup, stanza_.name, met_);
    if (!reason) reason = why_not_everywhere(backup);
    if (!reason) reason = build_on(backup);
    if (!reason) break;
    log_warn(format("backup {} is not used as the prior one: {}", backup.label, *reason));
  }
  if (prior_) say_left(candidates, prior_->info().label, timeline);
  if (!prior_ && options_.type != repo::BackupType::full) {
    info_.type = repo::BackupType::full;
    log_info(targets_.good().size() == 1
                 ? "there is no backup to build on: this one is full"
                 : "there is no backup to build on that all repositories have: this one is full");
  }
  info_.prior = prior_ ? prior_->info().label : "";
  info_.label = new_label(targets_.good(), stanza_.name, info_.type, info_.prior);
}

/// Sets prior_, or tells why not.
std::optional<std::string> BackupRun::build_on(const repo::BackupMarker& backup) {
  try {
    prior_ = std::make_unique<PriorBackup>(*repository_, stanza_.name, backup);
  } catch (const DamagedError& error) {
    return error.render();
  }
  return std::nullopt;
}

/// A backup has one manifest, which names packs: all repositories must have them.
std::optional<std::string> BackupRun::why_not_everywhere(const repo::BackupMarker& backup) {
  std::optional<std::string> reason;
  targets_.each([&](repo::Repository& repository) {
    if (!reason && &repository != repository_)
      reason = why_not_built_on(repository, stanza_.name, backup);
  });
  return reason;
}

void BackupRun::find_changed_pages() {
  info_.method = "all";
  if (!prior_) return;
  if (options_.compare_all) {
    changes_.reason = "--delta compares every page";
  } else {
    progress_.phase("waiting for WAL summaries", 0);
    changes_ = find_changes(*connection_, stanza_.data_directory, prior_->info(), started_, stop_);
  }
  // Summaries tell what this life changed since it parted from another one, and no more.
  if (changes_.change_of && prior_life_.verdict != PriorLife::Verdict::proved) {
    changes_ = {};
    changes_.reason = prior_life_.words;
  }
  info_.method = changes_.change_of ? "summaries" : "compare";
  info_.method_reason = changes_.reason;
  log_info(changes_.change_of
               ? format("building on {} with WAL summaries: {}", info_.prior, prior_life_.words)
               : format("building on {} by comparing pages: {}", info_.prior, changes_.reason));
}

/// Configuration outside of the data directory: what cannot be read is a recorded warning.
void BackupRun::find_outside() {
  Outside found = find_outside_of(*connection_, stanza_.data_directory, options_.include_paths);
  outside_ = std::move(found.files);
  info_.outside = std::move(found.info);
  for (const repo::UnreadableFile& file : info_.outside.unreadable)
    log_warn(format("not in the backup: \"{}\" ({})", file.path, file.cause));
}

void BackupRun::start() {
  progress_.phase(
      options_.start_fast ? "waiting for a checkpoint" : "waiting for the next checkpoint", 0);
  if (!options_.start_fast) {
    log_info(
        format("waiting for the server's checkpoint, which takes at most about {} "
               "(checkpoint_timeout); --start-fast asks for one at once",
               postgres::checkpoint_timeout(*connection_)));
  }
  if (info_.wal_copied) hold_wal(*connection_, info_.label);
  mode_.emplace(*connection_, server_);
  databases_ = postgres::read_databases(*connection_);
  started_ = mode_->start("pgcairn " + info_.label, options_.start_fast, stop_);
  info_.start_lsn = started_.start_lsn;
  info_.timeline = started_.timeline;
  info_.start_time = started_.time;
  for (const postgres::Database& database : postgres::read_databases(*connection_))
    info_.databases.push_back({database.oid, database.name});
  info_.wal_start =
      wal_segment_name(segment_of(started_.start_lsn, started_.timeline, server_.wal_segment_bytes),
                       server_.wal_segment_bytes);
  log_info(format("backup {} starts at {} on timeline {}", info_.label, to_string(info_.start_lsn),
                  info_.timeline));
  wal_.mark_start(info_);
}

/// A lost session or a promoted standby ends the backup when it happens, not hours later.
void BackupRun::watch(Workers& workers, std::stop_token stop) {
  try {
    for (;;) {
      sleep_for(kWatchPause, stop);
      std::lock_guard lock(connection_mutex_);
      mode_->check();
    }
  } catch (const Interrupted&) {
  } catch (...) {
    workers.fail(std::current_exception());
  }
}

void BackupRun::keep(CopiedFile&& file) {
  if (file.entry.type == repo::EntryType::file) {
    ++info_.files;
    info_.cluster_bytes += file.entry.size_bytes;
  }
  if (file.errors.count > 0) {
    log_warn(format("\"{}\" has pages that fail their checksum: block {}", file.errors.path,
                    blocks_text(file.errors)));
    info_.page_errors.push_back(std::move(file.errors));
  }
  tablespaces_.look_at(file.entry);
  writer_->add(file.entry);
}

FilePlan BackupRun::plan(const postgres::SourceFile& source) {
  FilePlan plan;
  if (source.type != postgres::FileType::regular) return plan;
  if (prior_) {
    plan = plan_file(source, prior_->find(source.path), changes_.change_of);
    std::uniform_real_distribution<double> uniform;
    add_samples(plan, kSampledShare, [&] { return uniform(random_); });
  }
  const bool stores = plan.how != FilePlan::How::blocks || !plan.blocks.empty();
  if (stores && source.size_bytes > 0) plan.stored = interrupted_->take(source.path);
  return plan;
}

/// Copies, and copies again by comparison when the summaries turn out to be wrong.
void BackupRun::copy() {
  try {
    copy_all();
  } catch (const SummaryMismatch& doubt) {
    begin_again(doubt);
    copy_all();
  }
}

void BackupRun::begin_again(const Error& doubt) {
  log_warn(doubt.render());
  changes_ = {};
  info_.method = "compare";
  info_.method_reason = "the WAL summaries missed a change: " + doubt.message();
  info_.files = 0;
  info_.cluster_bytes = 0;
  info_.page_errors.clear();
  tablespaces_.clear();
  relations_.clear();
  // What was stored so far is left under the label that it had.
  info_.label = new_label(targets_.good(), stanza_.name, info_.type, info_.prior);
  prior_ = std::make_unique<PriorBackup>(*repository_, stanza_.name, prior_->info());
}

/// Those that this one may name.
std::vector<repo::ManifestPack> BackupRun::packs_of_others() {
  std::vector<repo::ManifestPack> others = interrupted_->packs();
  if (prior_) {
    const std::vector<repo::ManifestPack> older = prior_->packs();
    others.insert(others.end(), older.begin(), older.end());
  }
  return others;
}

/// What maps may name: what this backup stores, what older ones and interrupted ones have stored.
PackReferences BackupRun::find_references() {
  PackReferences references(prior_ ? prior_->refs(info_.label, kFrameBytes)
                                   : std::vector<repo::ManifestRef>{{info_.label, kFrameBytes}});
  std::vector<std::string> labels;
  if (options_.resume) {
    labels = resumable_for(info_.label, listed_labels(targets_.good(), stanza_.name),
                           repository_->driver().folders(repo::backups_data_prefix(stanza_.name)));
    leave_out_old(labels, now());
  }
  interrupted_.emplace(targets_.good(), stanza_.name, labels,
                       static_cast<std::uint32_t>(references.refs().size()), kFrameBytes);
  for (const repo::ManifestRef& ref : interrupted_->refs()) {
    log_info(format("backup {} was interrupted: what it has stored is reused where it matches",
                    ref.backup));
  }
  references.add_interrupted(interrupted_->refs());
  return references;
}

void BackupRun::copy_all() {
  progress_.phase("copying",
                  prior_ ? prior_->info().cluster_bytes : newest_bytes(*repository_, stanza_.name));
  const PackReferences references = find_references();
  PageRules rules(server_.data_checksums, info_.start_lsn, [this] {
    std::lock_guard lock(connection_mutex_);
    return postgres::current_wal_lsn(*connection_, server_);
  });
  if (prior_) rules.set_prior_start(prior_->info().start_lsn);
  writer_.emplace(targets_, *repository_, stanza_.name,
                  new_manifest_header(info_.label, references.refs(), stanza_.data_directory),
                  references, kPackBytes);
  PackWriter& store = writer_->packs();
  Copier copier(
      store, rules,
      {options_.codec, options_.level, references.refs(), prior_.get(), stanza_.data_directory},
      progress_);
  const auto emit = [&](CopiedFile&& file) { keep(std::move(file)); };

  Workers workers(stop_);
  store.start(workers, std::min(options_.workers, repository_->driver().features().connections));
  copier.start(workers, options_.workers);
  const std::jthread watcher([&](std::stop_token stop) { watch(workers, stop); });
  const auto add = [&](postgres::SourceFile&& source) {
    FilePlan how = plan(source);
    relations_.look_at(source);
    copier.add(std::move(source), std::move(how), emit);
  };
  try {
    for (postgres::SourceFile source : outside_)
      add(std::move(source));  // absolute paths are first
    info_.excluded = postgres::scan_cluster(stanza_.data_directory, server_.major,
                                            control_.catalog_version, add, options_.exclude);
    copier.finish(emit);
    copy_control_file();
    store.close();
  } catch (...) {
    workers.fail(std::current_exception());
  }
  workers.join();

  for (const std::string& path : info_.excluded)
    log_info(format("excluded from the backup: \"{}\"", path));
  writer_->finish(packs_of_others(), info_);
  info_.read_bytes += copier.read_bytes();
}

/// pg_control is read after all else: on a standby its minimum recovery point tells where the
/// backup becomes consistent.
void BackupRun::copy_control_file() {
  const std::string path = "global/pg_control";
  const fs::path source = stanza_.data_directory / path;
  const Buffer content = postgres::read_control_bytes(stanza_.data_directory);
  distrust_checksums(info_, postgres::parse_control_file(content, source.native()));
  const auto status = stat_if_exists(source);
  if (!status) throw Error(format("\"{}\" is gone", source.native()));
  OwnerNames owners;
  CopiedFile file;
  file.entry.path = path;
  file.entry.size_bytes = content.size();
  file.entry.time_us = status->st_mtim.tv_sec * 1'000'000 + status->st_mtim.tv_nsec / 1000;
  file.entry.mode = status->st_mode & 07777;
  file.entry.user = owners.user(status->st_uid);
  file.entry.group = owners.group(status->st_gid);
  file.entry.hash = hex(crypto::hash128(content));
  FrameFiller filler(writer_->packs(), options_.codec, options_.level, kFrameBytes);
  filler.add(path, 0, content, file.entry.map);
  filler.finish();
  info_.read_bytes += content.size();
  keep(std::move(file));
}

void BackupRun::find_hazards() {
  if (server_.in_recovery) return;  // a standby has no files but what WAL makes
  info_.unsettled_before = postgres::making_files_before(*connection_);
  read_until_ = postgres::current_wal_lsn(*connection_, server_);
  // After that, so that what is over has its init fork.
  info_.unlogged = relations_.became_unlogged(stanza_.data_directory, control_);
}

void BackupRun::stop_backup_mode() {
  progress_.phase("ending backup mode", 0);
  if (!server_.in_recovery) leave_restore_point(*connection_, info_.label);
  const postgres::BackupStop stopped = mode_->stop(stop_);
  info_.stop_lsn = stopped.stop_lsn;
  info_.stop_time = stopped.time;
  info_.backup_label = stopped.backup_label;
  info_.tablespace_map = stopped.tablespace_map;
  info_.wal_stop =
      wal_segment_name(segment_before(stopped.stop_lsn, info_.timeline, server_.wal_segment_bytes),
                       server_.wal_segment_bytes);
  wal_.mark_stop(info_);
  info_.witness = leave_witness(stanza_.data_directory, info_.label);
}

void BackupRun::wait_for_archive() {
  progress_.phase(info_.wal_copied ? "copying WAL" : "waiting for WAL in the archive", 0);
  const auto codec = compress::make_codec(options_.codec, options_.level);
  targets_.each([&](repo::Repository& repository) {
    info_.wal_copied
        ? wal_.copy(repository, info_, *codec, stop_)
        : wal_.wait_or_bring(repository, info_, options_.archive_timeout, *codec, stop_);
  });
}

repo::BackupMarker BackupRun::publish(const Leases& leases) {
  doing([&] { return format("storing the marker of backup {}", info_.label); },
        [&] { writer_->publish(leases, info_); });
  log_info(format("backup {} is complete: {} of files, {} stored, WAL {} to {}", info_.label,
                  format_size(info_.cluster_bytes), format_size(info_.stored_bytes),
                  info_.wal_start, info_.wal_stop));
  return info_;
}

/// What is read from a repository that fails cannot be had from another: its bytes are bound to it.
/// Then the backup begins again with those that answer, and names what is stored there already.
TakenBackup take_into(const StanzaSettings& stanza, const BackupOptions& options, Targets& targets,
                      Progress& progress, const std::stop_token& stop) {
  std::vector<DamagedError> met;
  bool again = false;
  for (;;) {
    const std::vector<repo::Repository*> before = targets.good();
    BackupRun run(stanza, options, targets, met, progress, stop);
    try {
      repo::BackupMarker info = run.run();
      return {std::move(info), {}, {}, {}, run.archiver_stuck()};
    } catch (const UnreplayableBackup& error) {
      if (std::exchange(again, true)) throw;
      log_warn(format("the backup begins again: {}", error.message()));
    } catch (const PostgresError&) {
      throw;
    } catch (const DamagedError& error) {
      if (!is_news_of_prior(error, run.prior(), stanza.name, met)) throw;
      log_warn(
          format("the backup begins again, and does not use what is damaged: {}", error.render()));
      met.push_back(error);
    } catch (const Error& error) {
      if (before.size() == 1 || targets.good().empty()) throw;
      const bool source_failed = targets.good().front() != before.front();
      if (!targets.leave_out_silent() && !source_failed) throw;
      log_warn(
          format("the backup begins again for the repositories that are left: {}", error.render()));
    }
  }
}

}  // namespace

TakenBackup take_backup(const StanzaSettings& stanza, const BackupOptions& options,
                        std::span<repo::Repository> repositories, Progress& progress,
                        std::stop_token stop) {
  Targets targets(repositories);
  std::string names;
  for (const repo::Repository& repository : repositories)
    names += format("{}\"{}\"", names.empty() ? "" : ", ", repository.name());
  return doing(
      [&] {
        return format("backing up stanza \"{}\" to {} {}", stanza.name,
                      repositories.size() == 1 ? "repository" : "repositories", names);
      },
      [&] {
        TakenBackup taken = take_into(stanza, options, targets, progress, stop);
        for (const repo::Repository* repository : targets.good())
          taken.repositories.push_back(repository->name());
        taken.failed = targets.failed();
        return taken;
      });
}

}  // namespace pgcairn::engine
