#include "backup/resume.hpp"
#include "expire/branches.hpp"
#include "expire/catalog.hpp"
#include "expire/records.hpp"
#include "expire/wal.hpp"
#include "stanza/missing_stanza.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/parallel.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/expire/expire.hpp>
#include <pgcairn/engine/stanza/stop.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>
#include <pgcairn/repo/records.hpp>
#include <pgcairn/repo/stanza_view.hpp>
#include <pgcairn/storage/object_locked_error.hpp>

#include <algorithm>
#include <mutex>
#include <set>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kObjectsAtOnce = 1000;  // of a remove: as many as S3 takes

/// Removes objects in batches, each only while the lease is ours. What the store keeps is counted.
class Remover {
 public:
  Remover(storage::Driver& driver, repo::Lease& lease, std::stop_token stop, ExpireResult& result)
      : driver_(driver), lease_(lease), stop_(std::move(stop)), result_(result) {}

  void add(std::string key, std::uint64_t size_bytes) {
    bytes_ += size_bytes;
    keys_.push_back(std::move(key));
    if (keys_.size() == kObjectsAtOnce) flush();
  }

  /// Keys that the store keeps, of all since the last call.
  std::vector<std::string> finish() {
    flush();
    return std::exchange(kept_, {});
  }

 private:
  void flush() {
    if (keys_.empty()) return;
    check_stop(stop_);
    lease_.check();
    try {
      driver_.remove(keys_);
    } catch (const storage::ObjectLockedError&) {
      for (const std::string& key : keys_) remove_one(key);
    }
    result_.removed_objects += keys_.size();
    result_.removed_bytes += bytes_;
    keys_.clear();
    bytes_ = 0;
  }

  void remove_one(const std::string& key) {
    try {
      driver_.remove({&key, 1});
    } catch (const storage::ObjectLockedError& error) {
      --result_.removed_objects;
      KeptByStore& kept = result_.kept_by_store;
      const bool for_ever = kept.objects > 0 && !kept.until;
      if (kept.objects++ == 0) kept.first = key;
      kept.until = for_ever || !error.until() ? std::nullopt : std::max(kept.until, error.until());
      kept_.push_back(key);
    }
  }

  storage::Driver& driver_;
  repo::Lease& lease_;
  std::stop_token stop_;
  ExpireResult& result_;
  std::vector<std::string> keys_;
  std::uint64_t bytes_ = 0;
  std::vector<std::string> kept_;
};

/// Why a file of a cluster's WAL stays: one word for all of them, or what the backups need.
struct WalRule {
  std::string all;                // why everything stays
  std::optional<WalNeeds> needs;  // neither: nothing does
  std::string removed_because;
  bool only_asked = false;        // nothing goes but what one backup needs:
  std::optional<WalNeeds> asked;  // this

  const std::string& keep_reason(std::string_view file) {
    static const std::string not_asked = "only what one backup alone needs was asked for";
    const std::string& reason = needs && all.empty() ? needs->keep_reason(file) : all;
    if (!reason.empty() || !only_asked) return reason;
    return asked && !asked->keep_reason(file).empty() ? reason : not_asked;
  }
};

std::string kept_text(const std::optional<Timestamp>& until) {
  return until ? format("kept by the store until {}", format_utc(*until)) : "kept by the store";
}

/// One run over one repository.
class ExpireRun {
 public:
  ExpireRun(std::string stanza, repo::Repository& repository, const ExpireOptions& options,
            Progress& progress, std::stop_token stop)
      : stanza_(std::move(stanza)),
        repository_(repository),
        driver_(repository.driver()),
        options_(options),
        progress_(progress),
        stop_(std::move(stop)) {}

  ExpireResult run() {
    open();
    if (is_idle() && options_.keep_interrupted) {
      plan_.notes.push_back("no retention is set: nothing is removed");
      return std::move(result_);
    }
    std::optional<repo::Lease> lease;
    if (!options_.dry_run) {
      refuse_when_stopped(repository_, stanza_);
      lease.emplace(repository_, stanza_, "expire", stop_);
    }
    read();
    judge();
    plan_objects();
    if (lease) act(*lease);
    return std::move(result_);
  }

 private:
  /// Does no rule and no word remove a backup or WAL?
  bool is_idle() const { return options_.policy.empty() && options_.set.empty(); }
  void open();
  void read();
  void note_doubt();
  void judge();
  void judge_one();
  void judge_by_rules(const repo::RetentionPolicy& policy);
  void stop_mass_removal();
  std::string going_text(std::span<const repo::RetentionBackup> all) const;
  void plan_objects();
  void plan_data();
  void count(ExpiredData& data) const;
  void plan_wal();
  void plan_records();
  WalRule wal_rule(const repo::Cluster& cluster);
  WalClaim wal_claim(const CatalogBackup& backup) const;
  void add_to_plan(const std::string& cluster, const std::string& file, std::uint64_t bytes,
                   const std::string& keep_reason, const std::string& removed_because);
  void act(repo::Lease& lease);
  bool remove_markers(Remover& remover);
  void keep_after_all(const std::string& label, const std::string& reason);
  void remove_data(Remover& remover);
  void remove_wal(Remover& remover);

  std::vector<repo::RetentionBackup> judged() const;
  std::set<std::string> kept_labels() const;
  bool goes(const storage::Object& object, const std::string& label) const;

  std::string stanza_;
  repo::Repository& repository_;
  repo::StanzaView view_{repository_, stanza_};
  storage::Driver& driver_;
  const ExpireOptions& options_;
  Progress& progress_;
  std::stop_token stop_;

  std::vector<repo::Cluster> clusters_;
  Catalog catalog_;
  std::optional<ExpireBranches> branches_;
  std::optional<repo::RecordState> record_state_;
  std::set<std::string> doubtful_;  // backups that stay, and whose markers cannot be read
  std::optional<NamedPacks> named_;
  std::optional<NamedPacks> asked_;           // by the backup of options_.set, if it goes
  std::set<std::string> swept_;               // labels whose unnamed objects go
  std::map<std::string, WalRule> wal_rules_;  // by cluster
  ExpireResult result_;
  ExpirePlan& plan_ = result_.plan;
};

void ExpireRun::open() {
  repository_.open();
  clusters_ = repository_.clusters(stanza_);
  if (clusters_.empty()) {
    throw missing_stanza(repository_, stanza_,
                         "check the name, or create it with pgcairn stanza-create");
  }
}

void ExpireRun::read() {
  progress_.phase("reading the catalog", 0);
  catalog_ = read_catalog(repository_, stanza_, stop_);
  record_state_.emplace(read_deciding_records(repository_, stanza_, plan_.notes), options_.when);
  for (CatalogBackup& backup : catalog_.backups) {
    repo::RetentionBackup& one = backup.judged;
    one.damaged = record_state_->damage(one.label) != nullptr;
    for (const repo::Record* record : record_state_->holds(one.label))
      one.holds.push_back(std::get<repo::HoldRecord>(record->content).reason);
  }
  note_doubt();
  branches_.emplace(repository_, stanza_, clusters_, catalog_, plan_.notes);
}

/// A backup with an unreadable marker may need any object, but for what it cannot need: see
/// doubtful_owner(). All that it may need stays.
void ExpireRun::note_doubt() {
  for (const UnreadableMarker& marker : catalog_.unreadable) {
    if (marker.label == options_.set) continue;
    doubtful_.insert(marker.label);
    plan_.notes.push_back(
        format("backup {} has an unreadable marker and may need any object, so its packs, packs of "
               "others that it may use, and all WAL stay: {}; if the marker cannot be brought back "
               "from a copy, give the backup up with \"pgcairn expire --set={}\"",
               marker.label, marker.error.message(), marker.label));
    log_warn(plan_.notes.back());
  }
}

std::vector<repo::RetentionBackup> ExpireRun::judged() const {
  std::vector<repo::RetentionBackup> all;
  for (const CatalogBackup& backup : catalog_.backups) {
    if (backup.keep) all.push_back(backup.judged);
  }
  return all;
}

void ExpireRun::judge() {
  repo::RetentionPolicy policy = options_.policy;
  if (options_.set.empty()) {
    stop_mass_removal();
  } else {
    judge_one();
    policy = {};
  }
  judge_by_rules(policy);
  for (const UnreadableMarker& marker : catalog_.unreadable) {
    ExpiredBackup backup;
    backup.label = marker.label;
    backup.damaged = true;
    backup.keep = marker.label != options_.set;
    backup.reasons = {backup.keep ? "its marker cannot be read" : "it was asked for"};
    plan_.backups.push_back(std::move(backup));
  }
}

/// Marks the one that was asked for, unless it has to stay.
void ExpireRun::judge_one() {
  const std::string& label = options_.set;
  const auto found =
      std::find_if(catalog_.backups.begin(), catalog_.backups.end(),
                   [&](const CatalogBackup& backup) { return backup.judged.label == label; });
  const bool unreadable =
      std::any_of(catalog_.unreadable.begin(), catalog_.unreadable.end(),
                  [&](const UnreadableMarker& marker) { return marker.label == label; });
  if (found == catalog_.backups.end() && !unreadable) {
    throw MissingError(format("there is no backup \"{}\" of stanza \"{}\" in repository \"{}\"",
                              label, stanza_, repository_.name()),
                       "\"pgcairn info\" lists the backups");
  }
  for (const repo::Record* record : record_state_->holds(label)) {
    throw UsageError(
        format("backup {} is held: {}", label, std::get<repo::HoldRecord>(record->content).reason),
        format("\"pgcairn unhold {}\" releases it", label));
  }
  if (found == catalog_.backups.end()) return;
  if (repo::is_last_good(judged(), static_cast<std::size_t>(found - catalog_.backups.begin()))) {
    throw UsageError(format("backup {} is the last good one of stanza \"{}\"", label, stanza_),
                     "take another one first");
  }
  found->keep = false;
}

/// A slip in a rule must not cost the backups: most of them go only when that was asked for.
void ExpireRun::stop_mass_removal() {
  if (options_.allow_mass_removal) return;
  const auto all = judged();
  const auto mass = repo::find_mass_removal(all, options_.policy, options_.when);
  if (!mass) return;
  const std::string found = format(
      "the rules would remove {} of {} good backups at once: in force since the oldest was made, "
      "they would never have kept more than {}",
      mass->removed, mass->stored, mass->most_kept);
  if (options_.dry_run) {
    plan_.notes.push_back(found + "; expire removes nothing without --allow-mass-removal");
    return;
  }
  throw UsageError(
      format("{}; nothing was removed{}", found, going_text(all)),
      format("was a retention setting changed, and is its unit right? With --dry-run, expire gives "
             "the reason for each backup. If this is meant, run once: pgcairn --stanza={} "
             "--repo={} expire --allow-mass-removal",
             stanza_, repository_.name()));
}

/// The backups that would go, a line each; of many the oldest.
std::string ExpireRun::going_text(std::span<const repo::RetentionBackup> all) const {
  constexpr std::size_t kMostShown = 10;
  const auto verdicts = repo::apply_retention(all, options_.policy, options_.when);
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!verdicts[i].keep) labels.push_back(all[i].label);
  }
  std::string text;
  for (std::size_t i = 0; i < labels.size() && i < kMostShown; ++i)
    text += format("\n  would be removed: backup {}", labels[i]);
  if (labels.size() > kMostShown)
    text += format("\n  would be removed: {} more, the newest {}", labels.size() - kMostShown,
                   labels.back());
  return text;
}

void ExpireRun::judge_by_rules(const repo::RetentionPolicy& policy) {
  const auto verdicts = repo::apply_retention(judged(), policy, options_.when);
  auto verdict = verdicts.begin();
  for (CatalogBackup& backup : catalog_.backups) {
    ExpiredBackup one;
    one.label = backup.judged.label;
    one.type = backup.judged.type;
    one.stop_time = backup.judged.stop_time;
    one.stored_bytes = backup.stored_bytes;
    one.damaged = backup.judged.damaged;
    one.reasons = {"it was asked for"};
    if (backup.keep) {
      one.reasons = verdict->reasons;
      if (!options_.set.empty()) one.reasons = {"only another one was asked for"};
      backup.keep = verdict->keep;
      backup.continuous_wal = verdict->continuous_wal;
      backup.way_to = verdict->way_to;
      ++verdict;
    }
    one.keep = backup.keep;
    plan_.backups.push_back(std::move(one));
  }
}

std::set<std::string> ExpireRun::kept_labels() const {
  std::set<std::string> labels;
  for (const ExpiredBackup& backup : plan_.backups) {
    if (backup.keep) labels.insert(backup.label);
  }
  return labels;
}

void ExpireRun::plan_objects() {
  plan_.data.clear();
  plan_.wal.clear();
  plan_.records.clear();
  swept_.clear();
  wal_rules_.clear();
  progress_.phase("looking for what is not needed", 0);
  plan_data();
  plan_wal();
  plan_.records = records_to_remove(*record_state_, kept_labels());
}

bool ExpireRun::goes(const storage::Object& object, const std::string& label) const {
  const bool others = !options_.set.empty() && label != options_.set;
  const std::string packs = repo::pack_prefix(stanza_, label);
  // A part of a manifest that no marker speaks of.
  if (!object.key.starts_with(packs)) return !others;
  const auto key = repo::parse_key(object.key);
  if (!key || key->kind != repo::ObjectKind::pack || named_->has(label, key->number)) return false;
  return !others || asked_->has(label, key->number);
}

/// What is below labels without a marker: what no kept backup names is removed, except for
/// what the next backup may resume. The lease says that none is running.
void ExpireRun::plan_data() {
  named_.emplace(catalog_, true);
  asked_.emplace(catalog_, false);
  const std::set<std::string> kept = kept_labels();
  std::set<std::string> removed;
  std::set<std::string> all = kept;
  for (const ExpiredBackup& backup : plan_.backups) {
    if (!backup.keep) removed.insert(backup.label);
    all.insert(backup.label);
  }
  const std::vector<std::string> stored = driver_.folders(repo::backups_data_prefix(stanza_));
  const std::vector<std::string> listed(kept.begin(), kept.end());
  const std::vector<std::string> resume = resumable(listed, stored);
  const std::string oldest_kept = format_label_time(options_.when - kLongestKept);
  for (const std::string& label : stored) {
    if (!repo::is_backup_label(label) || kept.contains(label)) continue;
    const bool left = !removed.contains(label);
    const std::string doubtful = may_name_packs_of(label, doubtful_, all);
    const bool waits = options_.keep_interrupted && left && repo::label_time(label) > oldest_kept &&
                       std::find(resume.begin(), resume.end(), label) != resume.end();
    if (!waits && doubtful.empty()) swept_.insert(label);
    ExpiredData data;
    data.label = label;
    data.reason = !doubtful.empty()
                      ? format("backup {}, whose marker cannot be read, may need them", doubtful)
                  : !left ? "the backup is removed"
                  : waits ? "left by an interrupted backup, and the next one may resume it"
                          : "no backup lists it: one was interrupted, or removed before";
    plan_.data.push_back(std::move(data));
  }
  for_each_index(plan_.data.size(), kRequestsAtOnce, stop_,
                 [&](std::size_t i) { count(plan_.data[i]); });
  std::erase_if(plan_.data, [&](const ExpiredData& data) {
    const std::uint64_t objects = data.packs_removed + data.manifest_parts_removed;
    const bool concerned = options_.set.empty() || data.label == options_.set;
    return objects == 0 && (data.packs_kept == 0 || !concerned);
  });
}

void ExpireRun::count(ExpiredData& data) const {
  const bool swept = swept_.contains(data.label);
  const std::string packs = repo::pack_prefix(stanza_, data.label);
  driver_.list(repo::data_prefix(stanza_, data.label), [&](const storage::Object& object) {
    const bool pack = object.key.starts_with(packs);
    if (!swept || !goes(object, data.label)) {
      data.packs_kept += pack ? 1 : 0;
      return;
    }
    ++(pack ? data.packs_removed : data.manifest_parts_removed);
    data.removed_bytes += object.size_bytes;
  });
  if (data.packs_kept == 0) return;
  const std::string namers = named_->namers(data.label);
  data.kept_reason = swept && !namers.empty() ? format("named by {}", namers) : data.reason;
}

WalClaim ExpireRun::wal_claim(const CatalogBackup& backup) const {
  const auto first = parse_wal_segment_name(backup.wal_start, backup.wal_segment_bytes);
  const auto last = parse_wal_segment_name(backup.wal_stop, backup.wal_segment_bytes);
  if (!first || !last) {
    throw DamagedError(repo::marker_key(stanza_, backup.judged.label), 0,
                       "the names of its WAL segments have an unknown format");
  }
  return {backup.judged.label, backup.timeline,       first->number, last->number,
          backup.stop_lsn,     backup.continuous_wal, backup.way_to};
}

WalRule ExpireRun::wal_rule(const repo::Cluster& cluster) {
  const std::string id = repo::cluster_id(cluster);
  WalRule rule;
  rule.only_asked = !options_.set.empty();
  std::vector<WalClaim> claims;
  std::set<std::uint64_t> sizes;
  bool later_one_has_backups = false;
  for (const CatalogBackup& backup : catalog_.backups) {
    const repo::RetentionBackup& one = backup.judged;
    if (!backup.keep && one.label == options_.set && one.cluster == id) {
      rule.asked.emplace(std::vector{wal_claim(backup)}, branches_->timelines(id),
                         backup.wal_segment_bytes);
    }
    if (!backup.keep) continue;
    if (one.cluster != id) {
      const auto other = std::find_if(
          clusters_.begin(), clusters_.end(),
          [&](const repo::Cluster& known) { return repo::cluster_id(known) == one.cluster; });
      later_one_has_backups |=
          other != clusters_.end() && !one.damaged && other->pg_version > cluster.pg_version;
      continue;
    }
    sizes.insert(backup.wal_segment_bytes);
    claims.push_back(wal_claim(backup));
  }
  rule.removed_because = "no kept backup needs it";
  if (is_idle()) {
    rule.all = "no retention is set";
  } else if (!doubtful_.empty()) {
    rule.all = format("backup {}, whose marker cannot be read, may need it", *doubtful_.begin());
  } else if (sizes.size() > 1) {
    rule.all = "the cluster's WAL segments changed their size";
  } else if (!claims.empty()) {
    rule.needs.emplace(std::move(claims), branches_->timelines(id), *sizes.begin(),
                       branches_->without_way(id));
  } else if (later_one_has_backups) {
    rule.removed_because =
        "no backup of its cluster is left, and one of a later version has backups";
  } else {
    rule.all = "its cluster has no backup, and none of a later version has";
  }
  return rule;
}

void ExpireRun::plan_wal() {
  for (const repo::Cluster& cluster : clusters_) {
    check_stop(stop_);
    const std::string id = repo::cluster_id(cluster);
    WalRule& rule = wal_rules_[id] = wal_rule(cluster);
    view_.wal(id, [&](const repo::ListedWal& object) {
      const std::string file(object.file);
      add_to_plan(id, file, object.size_bytes, rule.keep_reason(file), rule.removed_because);
    });
  }
}

void ExpireRun::add_to_plan(const std::string& cluster, const std::string& file,
                            std::uint64_t bytes, const std::string& keep_reason,
                            const std::string& removed_because) {
  const bool keep = !keep_reason.empty();
  const std::string& reason = keep ? keep_reason : removed_because;
  const auto goes_on = [&](const ExpiredWal& range) {
    return range.cluster == cluster && range.keep == keep && range.reason == reason &&
           range.last.substr(0, 8) == file.substr(0, 8);
  };
  if (plan_.wal.empty() || !goes_on(plan_.wal.back()))
    plan_.wal.push_back({cluster, file, file, 0, 0, keep, reason});
  ExpiredWal& range = plan_.wal.back();
  range.last = file;
  ++range.files;
  range.bytes += bytes;
}

/// Markers first: from then on nothing that goes is of any listed backup.
void ExpireRun::act(repo::Lease& lease) {
  result_.done = true;
  Remover remover(driver_, lease, stop_, result_);
  if (remove_markers(remover)) plan_objects();
  remove_data(remover);
  remove_wal(remover);
  for (const std::string& name : plan_.records) remover.add(repo::record_key(stanza_, name), 0);
  remover.finish();
}

/// True when the store keeps some of them: these backups stay, with all that they need.
bool ExpireRun::remove_markers(Remover& remover) {
  progress_.phase("removing backups", 0);
  for (const ExpiredBackup& backup : plan_.backups) {
    if (!backup.keep) remover.add(repo::marker_key(stanza_, backup.label), 0);
  }
  const std::vector<std::string> kept = remover.finish();
  for (const std::string& key : kept) {
    keep_after_all(repo::document_name(key, repo::marker_prefix(stanza_)),
                   kept_text(result_.kept_by_store.until));
  }
  for (const ExpiredBackup& backup : plan_.backups) {
    if (!backup.keep) log_info(format("backup {} is removed", backup.label));
  }
  return !kept.empty();
}

void ExpireRun::keep_after_all(const std::string& label, const std::string& reason) {
  for (ExpiredBackup& backup : plan_.backups) {
    if (backup.label != label) continue;
    backup.keep = true;
    backup.reasons = {reason};
    if (!backup.type) doubtful_.insert(label);
  }
  for (CatalogBackup& backup : catalog_.backups) {
    if (backup.judged.label != label) continue;
    backup.keep = true;
    backup.continuous_wal = false;
    backup.way_to.clear();
  }
}

void ExpireRun::remove_data(Remover& remover) {
  progress_.phase("removing packs", 0);
  const std::vector<std::string> labels(swept_.begin(), swept_.end());
  std::mutex mutex;  // many are listed at a time, and one batch is removed
  for_each_index(labels.size(), kRequestsAtOnce, stop_, [&](std::size_t i) {
    driver_.list(repo::data_prefix(stanza_, labels[i]), [&](const storage::Object& object) {
      if (!goes(object, labels[i])) return;
      std::lock_guard lock(mutex);
      remover.add(object.key, object.size_bytes);
    });
  });
  remover.finish();
}

void ExpireRun::remove_wal(Remover& remover) {
  progress_.phase("removing WAL", 0);
  for (auto& [cluster, rule] : wal_rules_) {
    view_.wal(cluster, [&, &rule = rule](const repo::ListedWal& object) {
      if (rule.keep_reason(std::string(object.file)).empty())
        remover.add(object.key, object.size_bytes);
    });
  }
  remover.finish();
}

}  // namespace

ExpireResult expire(const std::string& stanza, repo::Repository& repository,
                    const ExpireOptions& options, Progress& progress, std::stop_token stop) {
  return doing(
      [&] {
        return format("expiring stanza \"{}\" in repository \"{}\"", stanza, repository.name());
      },
      [&] { return ExpireRun(stanza, repository, options, progress, std::move(stop)).run(); });
}

}  // namespace pgcairn::engine
