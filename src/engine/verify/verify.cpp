#include "stanza/manifest_paths.hpp"
#include "stanza/missing_stanza.hpp"
#include "verify/objects.hpp"
#include "wal/archive_reader.hpp"
#include "wal/gap.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/verify/verify.hpp>
#include <pgcairn/postgres/timeline.hpp>
#include <pgcairn/postgres/wal_file.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <memory>
#include <set>

namespace pgcairn::engine {

namespace {

using Steady = std::chrono::steady_clock;

bool contains(const std::vector<std::string>& labels, const std::string& label) {
  return std::find(labels.begin(), labels.end(), label) != labels.end();
}

/// One run over one repository, step by step; what is wrong is collected, and ends nothing.
class Verification {
 public:
  Verification(std::string stanza, repo::Repository& repository, const VerifyOptions& options,
               Progress& progress, std::stop_token stop)
      : stanza_(std::move(stanza)),
        repository_(repository),
        options_(options),
        progress_(progress),
        stop_(std::move(stop)) {
    result_.name = repository.name();
  }

  /// Level quick, and the objects of level full.
  void run() {
    if (!open()) return;
    require_stanza();
    read_markers();
    read_clusters();
    read_records();
    for (const repo::BackupMarker& backup : backups_) {
      check_stop(stop_);
      read_manifest(backup);
    }
    for (const auto& [label, packs] : packs_) compare_packs(label, packs);
    packs_.clear();
    for (const auto& [id, cluster] : clusters_) read_archive(cluster);
    for (const repo::BackupMarker& backup : backups_) follow_wal(backup);
    count_wal();
    if (options_.level == VerifyLevel::full) open_objects();
    name_files();
    forget_removed();
  }

  using Histories = std::map<std::string, std::string>;  // content by key
  const Histories& histories() const { return histories_; }
  void compare_histories(const Verification& other);
  /// There is no backup, and what else there is is not damaged.
  bool is_empty() const { return result_.labels.empty() && result_.damages.empty(); }
  VerifiedRepository finish();

 private:
  struct NamedPack {
    std::uint64_t size_bytes = 0;
    std::optional<repo::Binding> seal;
    LabelSets::Id backups = LabelSets::kNone;
  };
  struct WalObject {
    repo::Cluster cluster;
    std::string file;
    std::uint64_t size_bytes = 0;
    bool reached = false;                      // from a backup on
    LabelSets::Id backups = LabelSets::kNone;  // that need it to become consistent
  };

  bool open();
  void require_stanza();
  void read_markers();
  void read_clusters();
  void read_records();
  void read_manifest(const repo::BackupMarker& backup);
  void compare_packs(const std::string& label, const std::map<std::uint32_t, NamedPack>& packs);
  void read_archive(const repo::Cluster& cluster);
  void read_history(const repo::Cluster& cluster, const std::string& key, const std::string& file);
  void follow_wal(const repo::BackupMarker& backup);
  void follow_wal(const repo::BackupMarker& backup, const std::vector<TimelineSpan>& path);
  Gap judge(const repo::BackupMarker& backup, const std::vector<TimelineSpan>& path,
            const WalReach& reach);
  void check_timeline(const repo::BackupMarker& backup, const Timelines& timelines);
  void count_wal();
  void open_objects();
  void compare_maps(const PackShapes& shapes);
  void judge_suspects(std::vector<SuspectPage>& suspects);
  void name_files();
  void name_files(const std::string& label, const std::vector<Damage*>& damages);
  void forget_removed();
  void add_record();
  const repo::BackupMarker* find_backup(const std::string& label) const;

  void damaged(std::string object, std::string cause, std::vector<std::string> backups,
               std::uint64_t offset_bytes = 0) {
    result_.damages.push_back({.object = std::move(object),
                               .offset_bytes = offset_bytes,
                               .cause = std::move(cause),
                               .backups = std::move(backups)});
  }
  void damaged(const DamagedError& error, std::vector<std::string> backups) {
    damaged(error.object(), error.cause(), std::move(backups), error.offset());
  }

  std::string stanza_;
  repo::Repository& repository_;
  repo::StanzaView view_{repository_, stanza_};
  const VerifyOptions& options_;
  Progress& progress_;
  std::stop_token stop_;
  Steady::time_point began_ = Steady::now();
  VerifiedRepository result_;
  std::vector<repo::BackupMarker> backups_;
  bool unread_markers_ = false;
  /// Where only one is looked at, all: what lies about a gap is theirs. Read when there is one.
  std::optional<std::vector<repo::BackupMarker>> all_backups_;
  std::vector<repo::Record> records_;
  LabelSets labels_;
  std::map<std::string, std::map<std::uint32_t, NamedPack>> packs_;  // by owner and number
  std::vector<ObjectToOpen> objects_;
  std::map<std::string, repo::Cluster> clusters_;                   // by id
  std::map<std::string, WalObject> wal_;                            // by key
  std::map<std::string, std::unique_ptr<ArchiveReader>> archives_;  // by cluster
  Histories histories_;
  std::set<std::string> missing_;  // WAL that was reported as missing
};

bool Verification::open() {
  try {
    repository_.open();
    return true;
  } catch (const DamagedError& error) {
    damaged(error, {});
    return false;
  }
}

/// Where nothing is, nothing can be good.
void Verification::require_stanza() {
  bool found = !repository_.backup_labels(stanza_).empty();
  if (!found) {
    repository_.driver().list(repo::cluster_prefix(stanza_),
                              [&](const storage::Object&) { found = true; });
  }
  if (found) return;
  throw missing_stanza(repository_, stanza_, "check --stanza; \"pgcairn info\" lists the stanzas");
}

void Verification::read_markers() {
  std::vector<std::string> labels = {options_.set};
  if (options_.set.empty()) labels = repository_.backup_labels(stanza_);
  for (const std::string& label : labels) {
    try {
      auto backup = repository_.find_backup(stanza_, label);
      if (!backup && options_.set.empty()) continue;  // removed since it was listed
      backups_.push_back(backup ? std::move(*backup) : repository_.read_marker(stanza_, label));
    } catch (const DamagedError& error) {
      unread_markers_ = true;
      damaged(error, {label});
    }
    result_.labels.push_back(label);
  }
  result_.backups = backups_.size();
}

void Verification::read_clusters() {
  std::vector<std::string> keys;
  const std::string prefix = repo::cluster_prefix(stanza_);
  repository_.driver().list(prefix,
                            [&](const storage::Object& object) { keys.push_back(object.key); });
  for (const std::string& key : keys) {
    try {
      repo::get_document(repository_.driver(), repository_.seal_context(), key);
    } catch (const DamagedError& error) {
      damaged(error, {});
    }
  }
  for (const repo::BackupMarker& backup : backups_) {
    const repo::Cluster cluster{backup.system_id, backup.pg_version};
    if (!clusters_.emplace(backup.cluster, cluster).second) continue;
    const std::string key = repo::cluster_key(stanza_, backup.cluster);
    if (!contains(keys, key)) damaged(key, "the document of the backups' cluster is missing", {});
  }
}

void Verification::read_records() {
  records_ = repo::read_records(repository_, stanza_, {},
                                [&](const DamagedError& error) { damaged(error, {}); });
}

void Verification::read_manifest(const repo::BackupMarker& backup) {
  progress_.phase(format("reading the manifest of {}", backup.label), 0);
  try {
    repo::ManifestReader manifest = view_.manifest(backup);
    while (const auto entry = manifest.next()) {
      check_stop(stop_);
      require_placeable(*entry, stanza_, backup);
    }
    for (const repo::ManifestPack& pack : manifest.packs()) {
      const std::string& owner = manifest.header().refs.at(pack.ref).backup;
      NamedPack& named = packs_[owner][pack.pack];
      if (named.backups != LabelSets::kNone && named.size_bytes != pack.size_bytes) {
        damaged(repo::pack_key(stanza_, owner, pack.pack),
                "two manifests name it with different sizes",
                {labels_.at(named.backups).front(), backup.label}, pack.size_bytes);
      }
      named.size_bytes = pack.size_bytes;
      named.seal = pack.seal;
      named.backups = labels_.with(named.backups, backup.label);
    }
  } catch (const DamagedError& error) {
    damaged(error, {backup.label});
  }
}

void Verification::compare_packs(const std::string& label,
                                 const std::map<std::uint32_t, NamedPack>& packs) {
  // Both are in the order of their numbers.
  auto next = packs.begin();
  const auto missing_before = [&](std::uint64_t number) {
    for (; next != packs.end() && next->first < number; ++next) {
      damaged(repo::pack_key(stanza_, label, next->first), "the pack is missing",
              labels_.at(next->second.backups));
    }
  };
  view_.packs(label, [&](const repo::ListedPack& pack) {
    missing_before(pack.number);
    if (next == packs.end() || next->first != pack.number) return;
    const std::string key = repo::pack_key(stanza_, label, pack.number);
    const NamedPack& named = next->second;
    ++next;
    if (pack.size_bytes == named.size_bytes) {
      if (options_.level == VerifyLevel::full)
        objects_.push_back({key, named.size_bytes, {}, "", named.backups, named.seal});
      return;
    }
    damaged(key,
            format("the pack has {} bytes, and had {} when it was written", pack.size_bytes,
                   named.size_bytes),
            labels_.at(named.backups), std::min(pack.size_bytes, named.size_bytes));
  });
  missing_before(UINT64_MAX);
  result_.packs += packs.size();
}

/// Lists what is archived of a cluster, and reads its histories.
void Verification::read_archive(const repo::Cluster& cluster) {
  const std::string id = repo::cluster_id(cluster);
  view_.wal(id, [&](const repo::ListedWal& object) {
    if (object.kind)
      wal_[object.key] = {cluster, std::string(object.file), object.size_bytes, false,
                          LabelSets::kNone};
  });
  for (auto object = wal_.begin(); object != wal_.end();) {
    const bool history = wal_file_kind(object->second.file) == WalFileKind::timeline_history;
    if (history) read_history(cluster, object->first, object->second.file);
    object = history ? wal_.erase(object) : std::next(object);
  }
  auto& archive = archives_[id];
  archive = std::make_unique<ArchiveReader>(stanza_, cluster, std::span(&repository_, 1));
}

void Verification::read_history(const repo::Cluster& cluster, const std::string& key,
                                const std::string& file) {
  try {
    const Buffer content = view_.read_wal(cluster, file).value_or(Buffer());
    histories_[key] = as_text(content);
    postgres::check_timeline_history(content, file);
  } catch (const DamagedError& error) {
    damaged(key, error.cause(), {}, error.offset());
  } catch (const TransientError&) {
    throw;
  } catch (const SystemError&) {
    throw;
  } catch (const Error& error) {
    damaged(key, error.message(), {});
  }
}

/// A backup that is on a timeline must lie after the place where that began.
void Verification::check_timeline(const repo::BackupMarker& backup, const Timelines& timelines) {
  const auto own = timelines.path(backup.timeline, backup.timeline);
  if (own.front().begin <= backup.start_lsn) return;
  const std::string file = postgres::history_file_name(backup.timeline);
  damaged(
      repo::wal_key(stanza_, backup.cluster, file),
      format("it lets timeline {} begin at {}, and backup {} began on it at {}", backup.timeline,
             to_string(own.front().begin), backup.label, to_string(backup.start_lsn)),
      {backup.label});
}

void Verification::follow_wal(const repo::BackupMarker& backup) {
  const Timelines& timelines = archives_.at(backup.cluster)->timelines();
  check_timeline(backup, timelines);
  for (const Timeline timeline : timelines.descendants(backup.timeline, backup.stop_lsn))
    follow_wal(backup, timelines.path(backup.timeline, timeline));
}

Gap Verification::judge(const repo::BackupMarker& backup, const std::vector<TimelineSpan>& path,
                        const WalReach& reach) {
  if (!options_.set.empty() && !all_backups_) {
    all_backups_ =
        repository_.backups(stanza_, [&](const DamagedError&) { unread_markers_ = true; });
  }
  const ArchiveReader& archive = *archives_.at(backup.cluster);
  return judge_gap(archive.names(), archive.timelines(), path, reach,
                   {all_backups_ ? *all_backups_ : backups_, backup.cluster,
                    backup.wal_segment_bytes, unread_markers_});
}

/// All that the backup needs must be there, and what comes after it should have no gap.
void Verification::follow_wal(const repo::BackupMarker& backup,
                              const std::vector<TimelineSpan>& path) {
  const auto last = parse_wal_segment_name(backup.wal_stop, backup.wal_segment_bytes);
  const WalReach reach = archives_.at(backup.cluster)->reach(backup, path);
  const auto missing = parse_wal_segment_name(reach.missing, backup.wal_segment_bytes);
  const auto key_of = [&](const std::string& name) {
    return repo::wal_key(stanza_, backup.cluster, name);
  };
  for (const std::string& name : segments_of(reach, backup.wal_segment_bytes)) {
    const auto object = wal_.find(key_of(name));
    if (object == wal_.end()) continue;  // stored since it was listed
    object->second.reached = true;
    if (parse_wal_segment_name(name, backup.wal_segment_bytes)->number <= last->number)
      object->second.backups = labels_.with(object->second.backups, backup.label);
  }
  const bool needed = missing->number <= last->number;
  if (!needed && reach.after_gap.empty()) return;
  if (!missing_.insert(reach.missing + (needed ? backup.label : "")).second) return;
  const Gap gap = needed ? Gap::lost : judge(backup, path, reach);
  if (gap < Gap::lost) {
    (gap == Gap::doubtful ? result_.warnings : result_.notes)
        .push_back(gap_words(gap, reach.missing, reach.after_gap));
    return;
  }
  if (needed) {
    damaged(key_of(reach.missing), "the WAL segment is missing, and the backup needs it",
            {backup.label});
    return;
  }
  damaged(key_of(reach.missing),
          format("the WAL segment is missing, while {} is there: no recovery gets past it",
                 reach.after_gap),
          {});
}

/// One backup is looked at with the WAL that goes on from it, all of them with all that is there.
void Verification::count_wal() {
  if (!options_.set.empty())
    std::erase_if(wal_, [](const auto& object) { return !object.second.reached; });
  result_.wal_segments = wal_.size();
}

void Verification::open_objects() {
  std::vector<ObjectToOpen> objects = std::exchange(objects_, {});
  for (const auto& [key, wal] : wal_)
    objects.push_back({key, wal.size_bytes, wal.cluster, wal.file, wal.backups});
  choose_sample(objects, options_.sample_percent);
  begin_with(objects, options_.max_duration ? first_object(records_, result_.labels.size()) : "");
  ObjectOpener opener(stanza_, repository_, labels_, progress_, stop_);
  const std::size_t opened = opener.open(objects, options_.process_max, [&] {
    return options_.max_duration && Steady::now() - began_ >= *options_.max_duration;
  });
  if (opened < objects.size()) result_.next = objects[opened].key;
  objects.resize(opened);
  std::move(opener.damages().begin(), opener.damages().end(), std::back_inserter(result_.damages));
  result_.bytes_read = opener.bytes_read();
  for (const ObjectToOpen& object : objects)
    ++(object.wal_file.empty() ? result_.packs_opened : result_.wal_opened);
  compare_maps(opener.shapes());
  judge_suspects(opener.suspects());
  if (opener.further_suspects() > 0) {
    result_.notes.push_back(
        format("{} more pages whose checksum does not match were not followed to their backups",
               opener.further_suspects()));
  }
}

/// A map that points to nothing would end a restore.
void Verification::compare_maps(const PackShapes& shapes) {
  for (const repo::BackupMarker& backup : backups_) {
    try {
      repo::ManifestReader manifest = view_.manifest(backup);
      for (Damage& damage : wrong_maps(manifest, stanza_, shapes, stop_))
        result_.damages.push_back(std::move(damage));
    } catch (const DamagedError&) {  // reported when it was read first, or it was removed since
    }
  }
}

/// Asks the manifests what the pages are to their backups.
void Verification::judge_suspects(std::vector<SuspectPage>& suspects) {
  std::multimap<std::string, SuspectPage*> by_path;
  std::set<std::string> labels;
  for (SuspectPage& page : suspects) {
    by_path.emplace(page.path, &page);
    labels.insert(page.backups.begin(), page.backups.end());
    page.backups.clear();
  }
  std::set<const SuspectPage*> known;
  for (const repo::BackupMarker& backup : backups_) {
    if (!labels.contains(backup.label)) continue;
    repo::ManifestReader manifest = view_.manifest(backup);
    while (const auto entry = manifest.next()) {
      check_stop(stop_);
      const auto [first, last] = by_path.equal_range(entry->path);
      for (auto page = first; page != last; ++page) {
        const auto verdict =
            judge_suspect(*page->second, backup, *entry, manifest.header(), stanza_);
        if (verdict == SuspectVerdict::bad_before) known.insert(page->second);
        if (verdict == SuspectVerdict::stored_bad) page->second->backups.push_back(backup.label);
      }
    }
  }
  result_.known_bad_pages = known.size();
  for (SuspectPage& page : suspects) {
    if (page.backups.empty()) continue;
    damaged(page.pack,
            format("the checksum of block {} of {} does not match: the page was stored so, and was "
                   "not known to be bad",
                   page.block, page.path),
            std::move(page.backups), page.frame_at_bytes);
    Damage& damage = result_.damages.back();
    damage.frame = page.frame;
    damage.block = page.block;
    damage.paths = {page.path};
    damage.files = 1;
  }
}

const repo::BackupMarker* Verification::find_backup(const std::string& label) const {
  for (const repo::BackupMarker& backup : backups_) {
    if (backup.label == label) return &backup;
  }
  return nullptr;
}

/// Which files of the cluster stand in damaged packs: one more reading of the manifests, and only
/// when there is damage.
void Verification::name_files() {
  std::map<std::string, std::vector<Damage*>> by_label;
  for (Damage& damage : result_.damages) {
    const auto object = repo::parse_key(damage.object);
    const bool pack = object && object->kind == repo::ObjectKind::pack;
    if (pack && !damage.backups.empty() && damage.files == 0)
      by_label[damage.backups.back()].push_back(&damage);
  }
  for (const auto& [label, damages] : by_label) {
    try {
      name_files(label, damages);
    } catch (const DamagedError&) {  // the manifest itself is damaged, which is reported already
    }
  }
}

void Verification::name_files(const std::string& label, const std::vector<Damage*>& damages) {
  const repo::BackupMarker* const backup = find_backup(label);
  if (backup == nullptr) return;
  repo::ManifestReader manifest = view_.manifest(*backup);
  const auto& refs = manifest.header().refs;
  std::multimap<std::string, Damage*> by_pack;
  for (Damage* const damage : damages) by_pack.emplace(damage->object, damage);
  while (const auto entry = manifest.next()) {
    check_stop(stop_);
    std::set<Damage*> touched;
    for (const repo::Extent& extent : entry->map) {
      const repo::ManifestRef& ref = refs.at(extent.ref);
      const std::uint64_t end_bytes = extent.offset_bytes + extent.length_bytes;
      const std::uint64_t last = extent.frame + (end_bytes - 1) / ref.frame_bytes;
      const auto [first, end] =
          by_pack.equal_range(repo::pack_key(stanza_, ref.backup, extent.pack));
      for (auto one = first; one != end; ++one) {
        const auto frame = one->second->frame;
        if (!frame || (*frame >= extent.frame && *frame <= last)) touched.insert(one->second);
      }
    }
    for (Damage* const damage : touched) {
      if (++damage->files <= kMostFilesNamed) damage->paths.push_back(entry->path);
    }
  }
}

/// A backup that is removed while it is looked at is not damaged.
void Verification::forget_removed() {
  if (result_.damages.empty() || !options_.set.empty()) return;
  const std::vector<std::string> labels = repository_.backup_labels(stanza_);
  std::erase_if(result_.damages, [&](Damage& damage) {
    if (damage.backups.empty()) return false;
    std::erase_if(damage.backups, [&](const std::string& one) { return !contains(labels, one); });
    return damage.backups.empty();
  });
}

void Verification::compare_histories(const Verification& other) {
  for (const auto& [key, content] : histories_) {
    const auto theirs = other.histories_.find(key);
    if (theirs == other.histories_.end() || theirs->second == content) continue;
    damaged(key,
            format("repository \"{}\" has another history under this name", other.result_.name),
            {});
  }
}

VerifiedRepository Verification::finish() {
  result_.seconds = std::chrono::duration<double>(Steady::now() - began_).count();
  add_record();
  return std::move(result_);
}

/// And names what earlier runs recorded, which restores go by.
void Verification::add_record() {
  std::string name;
  try {
    if (options_.record && !result_.labels.empty()) {
      const repo::VerifyRecord record = record_of(result_, options_);
      name = repo::add_record(repository_, stanza_, record);
      records_.push_back({name, now(), "", record});
    }
  } catch (const Error& error) {
    result_.notes.push_back(format("the result is not recorded: {}", error.message()));
  }
  result_.recorded = recorded_findings(repo::RecordState(std::move(records_), now()),
                                       result_.labels, options_.set.empty(), name);
}

}  // namespace

VerifyResult verify(const std::string& stanza, std::span<repo::Repository> repositories,
                    const VerifyOptions& options, Progress& progress, std::stop_token stop) {
  FirstError locked;
  FirstError missing;
  std::size_t missing_in = 0;
  std::vector<std::unique_ptr<Verification>> runs;  // null where it could not be looked at
  VerifyResult result;
  for (repo::Repository& repository : repositories) {
    result.repositories.emplace_back().name = repository.name();
    try {
      auto run = std::make_unique<Verification>(stanza, repository, options, progress, stop);
      run->run();
      runs.push_back(std::move(run));
      continue;
    } catch (const MissingError& error) {
      missing.keep();
      ++missing_in;
      // A backup is where it was made.
      if (!options.set.empty()) result.repositories.back().notes.push_back(error.message());
      if (options.set.empty()) result.repositories.back().error = error.render();
    } catch (const repo::KeyError& error) {
      locked.keep();
      result.repositories.back().error = error.render();
    } catch (const Error& error) {
      result.repositories.back().error = error.render();
    }
    runs.push_back(nullptr);
  }
  const bool none =
      std::all_of(runs.begin(), runs.end(), [](const auto& run) { return run == nullptr; });
  if (none) locked.throw_if_any();
  if (missing_in == repositories.size()) missing.throw_if_any();
  const bool nothing = std::all_of(
      runs.begin(), runs.end(), [](const auto& run) { return run == nullptr || run->is_empty(); });
  if (nothing && !none) {
    throw MissingError(
        format("there is nothing to verify: no repository has a backup of stanza \"{}\"", stanza),
        "\"pgcairn info\" shows what is there; if there were backups, they are gone");
  }
  for (const auto& one : runs) {
    for (const auto& other : runs) {
      if (one && other && one != other) one->compare_histories(*other);
    }
  }
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i]) result.repositories[i] = runs[i]->finish();
  }
  return result;
}

}  // namespace pgcairn::engine
