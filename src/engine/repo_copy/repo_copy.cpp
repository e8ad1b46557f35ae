#include "backup/publish.hpp"
#include "expire/wal.hpp"
#include "stanza/recorded_damage.hpp"
#include "wal/archive_reader.hpp"
#include "wal/store.hpp"
#include "wal/wait.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/parallel.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/engine/repo_copy/repo_copy.hpp>
#include <pgcairn/engine/stanza/stop.hpp>
#include <pgcairn/postgres/timeline.hpp>
#include <pgcairn/repo/browse.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/frame.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>
#include <pgcairn/repo/pack.hpp>
#include <pgcairn/repo/records.hpp>
#include <pgcairn/repo/reseal.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>

namespace pgcairn::engine {

namespace {

/// Objects below one prefix: the unit of planning, so that memory follows a folder and not the
/// repository.
struct Group {
  std::string prefix;
  CopyPart CopyResult::*part;
  std::function<bool(const std::string& key)> wanted;
  std::uint64_t objects = 0;  // that have to be there; 0: any number
};

/// What is damaged in which of two repositories.
template <class Action>
decltype(auto) in(const repo::Repository& repository, Action&& action) {
  try {
    return action();
  } catch (DamagedError& error) {
    error.add_context(format("reading it in repository \"{}\"", repository.name()));
    if (error.hint().empty())
      error.set_hint(
          "nothing is replaced: \"pgcairn verify\" shows which backups need it; when another "
          "repository has it whole, remove it here, then copy again");
    throw;
  }
}

/// One run of `repo-copy`.
class CopyRun {
 public:
  CopyRun(std::string stanza, repo::Repository& from, repo::Repository& to,
          const CopyOptions& options, Progress& progress, std::stop_token stop)
      : stanza_(std::move(stanza)),
        from_(from),
        to_(to),
        options_(options),
        progress_(progress),
        stop_(std::move(stop)) {}

  CopyResult run() {
    open();
    choose();
    compare_clusters();
    std::optional<repo::Lease> lease;
    if (!options_.dry_run) {
      refuse_when_stopped(to_, stanza_);
      lease.emplace(to_, stanza_, "repo-copy", stop_);
    }
    compare_markers();
    find_groups();
    plan();
    if (lease) act(*lease);
    return std::move(result_);
  }

 private:
  using Sizes = std::map<std::string, std::uint64_t>;

  void open();
  void choose();
  void compare_clusters();
  void compare_markers();
  void find_groups();
  void add_packs();
  void add_wal();
  void plan();
  void act(repo::Lease& lease);
  void copy(const Group& group);
  void copy_one(const std::string& key, std::uint64_t size_bytes);
  DamagedError gone(const std::string& key) const;
  bool is_there(const std::string& key, std::uint64_t ours, std::uint64_t theirs);
  bool same_object(const std::string& key, std::uint64_t size_bytes);
  bool same_content(const std::string& key);
  bool same_wal(const std::string& key);
  bool same_binding(const std::string& key);
  void require_wal();
  void copy_records();

  Sizes list(repo::Repository& repository, const Group& group) const;
  std::string marker(repo::Repository& repository) const;
  repo::Cluster cluster() const { return {result_.backup.system_id, result_.backup.pg_version}; }

  std::string stanza_;
  repo::Repository& from_;
  repo::Repository& to_;
  const CopyOptions& options_;
  Progress& progress_;
  std::stop_token stop_;
  std::vector<Group> groups_;
  CopyResult result_;
};

void CopyRun::open() {
  from_.open();
  to_.open();
  if (from_.id() != to_.id()) return;
  throw UsageError(format("\"{}\" and \"{}\" are the same repository", from_.name(), to_.name()),
                   "name two that are stored in different places");
}

/// Both repositories must keep the same cluster under the name of the stanza. A target that does
/// not know the stanza gets it.
void CopyRun::compare_clusters() {
  const std::vector<repo::Cluster> ours = from_.clusters(stanza_);
  const std::vector<repo::Cluster> theirs = to_.clusters(stanza_);
  if (std::find(ours.begin(), ours.end(), cluster()) == ours.end()) {
    throw DamagedError(repo::cluster_key(stanza_, result_.backup.cluster), 0,
                       "the backup's cluster does not belong to the stanza");
  }
  for (const repo::Cluster& one : theirs) {
    if (std::find(ours.begin(), ours.end(), one) != ours.end()) continue;
    throw PostgresError(
        format("stanza \"{}\" in repository \"{}\" belongs to cluster {}, which in repository "
               "\"{}\" it does not",
               stanza_, to_.name(), repo::cluster_id(one), from_.name()),
        "two clusters use the same stanza name: copy into a repository of its own");
  }
}

void CopyRun::choose() {
  if (!options_.set.empty()) {
    result_.backup = from_.read_marker(stanza_, options_.set);
    return;
  }
  const RecordedDamage damages = recorded_damage(from_, stanza_);
  const auto backups = from_.backups(
      stanza_, [](const DamagedError& error) { log_warn(format("skipped: {}", error.message())); });
  for (auto backup = backups.rbegin(); backup != backups.rend(); ++backup) {
    const auto damage = damages.of(backup->label);
    if (!damage) {
      result_.backup = *backup;
      return;
    }
    log_warn(format("backup {} is skipped: {}", backup->label, *damage));
  }
  throw MissingError(
      format("stanza \"{}\" has no backup to copy in repository \"{}\"", stanza_, from_.name()),
      "\"pgcairn info\" lists stanzas and backups");
}

std::string CopyRun::marker(repo::Repository& repository) const {
  return in(repository, [&] {
    return repo::get_document(repository.driver(), repository.seal_context(),
                              repo::marker_key(stanza_, result_.backup.label))
        .value_or("");
  });
}

void CopyRun::compare_markers() {
  const std::string theirs = marker(to_);
  result_.was_listed = !theirs.empty();
  if (theirs.empty() || theirs == marker(from_)) return;
  throw ConflictError(
      format("repository \"{}\" has another backup {} than \"{}\"", to_.name(),
             result_.backup.label, from_.name()),
      "two backups began in the same second, each in its repository: copy another one");
}

void CopyRun::find_groups() {
  add_packs();
  const std::string& label = result_.backup.label;
  const std::uint32_t parts = result_.backup.manifest_parts;
  std::set<std::string> manifest;
  for (std::uint32_t i = 0; i < parts; ++i) manifest.insert(repo::manifest_key(stanza_, label, i));
  groups_.push_back({repo::manifest_prefix(stanza_, label), &CopyResult::manifest,
                     [manifest](const std::string& key) { return manifest.contains(key); }, parts});
  add_wal();
}

void CopyRun::add_packs() {
  std::map<std::string, std::vector<repo::PackRange>> by_owner;
  for (const repo::PackRange& range : result_.backup.packs) by_owner[range.backup].push_back(range);
  for (const auto& [owner, ranges] : by_owner) {
    std::uint64_t count = 0;
    for (const repo::PackRange& range : ranges) count += range.last - range.first + 1;
    groups_.push_back({repo::pack_prefix(stanza_, owner), &CopyResult::packs,
                       [ranges = ranges](const std::string& key) {
                         const auto parsed = repo::parse_key(key);
                         return parsed && std::any_of(ranges.begin(), ranges.end(),
                                                      [&](const repo::PackRange& range) {
                                                        return range.first <= parsed->number &&
                                                               parsed->number <= range.last;
                                                      });
                       },
                       count});
  }
}

/// What expire would keep for the backup, were it the only one.
void CopyRun::add_wal() {
  const repo::BackupMarker& backup = result_.backup;
  const auto first = parse_wal_segment_name(backup.wal_start, backup.wal_segment_bytes);
  const auto last = parse_wal_segment_name(backup.wal_stop, backup.wal_segment_bytes);
  if (!first || !last)
    throw DamagedError(repo::marker_key(stanza_, backup.label), 0,
                       "the names of its WAL segments have an unknown format");
  const ArchiveReader archive(stanza_, cluster(), {&from_, 1});
  // A history that could not be read would be missing there, and with it the way to a timeline.
  if (!archive.notes().empty())
    throw Error(archive.notes().front(), "\"pgcairn verify\" shows what is damaged");
  const auto needs = std::make_shared<WalNeeds>(
      std::vector<WalClaim>{
          {backup.label, backup.timeline, first->number, last->number, backup.stop_lsn, true}},
      archive.timelines(), backup.wal_segment_bytes);
  const auto wanted = [needs](const std::string& key) {
    const auto parsed = repo::parse_key(key);
    return parsed && !needs->keep_reason(parsed->file).empty();
  };
  for (const repo::WalFolder& folder : repo::StanzaView(from_, stanza_).wal_folders(backup.cluster))
    groups_.push_back(
        {repo::wal_folder_prefix(stanza_, backup.cluster, folder.name), &CopyResult::wal, wanted});
  // Histories stand beside the folders, and their names begin with the timeline's eight digits.
  std::set<std::string> histories;
  for (const Timeline timeline : archive.timelines().known())
    histories.insert(repo::wal_key(stanza_, backup.cluster, postgres::history_file_name(timeline)));
  for (const std::string& history : histories)
    groups_.push_back({history, &CopyResult::wal, wanted});
}

CopyRun::Sizes CopyRun::list(repo::Repository& repository, const Group& group) const {
  Sizes sizes;
  repository.driver().list(group.prefix, [&](const storage::Object& object) {
    if (group.wanted(object.key)) sizes.emplace(object.key, object.size_bytes);
  });
  return sizes;
}

/// By sizes; whether what is there is the same, acting tells.
void CopyRun::plan() {
  progress_.phase("listing what is there", 0);
  std::uint64_t total_bytes = 0;
  for (const Group& group : groups_) {
    check_stop(stop_);
    const Sizes ours = list(from_, group);
    if (group.objects > 0 && ours.size() != group.objects) {
      throw DamagedError(
          group.prefix, 0,
          format("{} of {} objects that backup {} needs are missing in repository "
                 "\"{}\"",
                 group.objects - ours.size(), group.objects, result_.backup.label, from_.name()),
          "\"pgcairn verify\" names them");
    }
    const Sizes theirs = list(to_, group);
    CopyPart& part = result_.*group.part;
    for (const auto& [key, bytes] : ours) {
      CopyCount& count = theirs.contains(key) ? part.there : part.copied;
      ++count.objects;
      count.bytes += bytes;
      if (!theirs.contains(key)) total_bytes += bytes;
    }
  }
  if (!options_.dry_run) progress_.phase("copying", total_bytes);
}

void CopyRun::act(repo::Lease& lease) {
  to_.add_cluster(stanza_, cluster());
  for (const Group& group : groups_) {
    lease.check();
    copy(group);
  }
  require_wal();
  copy_records();
  lease.check();
  if (result_.was_listed) return;
  const std::string json = marker(from_);
  if (json.empty()) {
    throw MissingError(format("backup {} was removed from repository \"{}\" meanwhile",
                              result_.backup.label, from_.name()),
                       "copy another one");
  }
  publish(
      to_, stanza_, result_.backup, [&] { lease.check(); },
      [&] {
        repo::put_document(to_.driver(), to_.seal_context(),
                           repo::marker_key(stanza_, result_.backup.label), json,
                           storage::IfExists::fail);
      });
  log_info(format("backup {} is complete in repository \"{}\"", result_.backup.label, to_.name()));
}

void CopyRun::copy(const Group& group) {
  const Sizes ours = list(from_, group);
  const Sizes theirs = list(to_, group);
  const std::vector<std::pair<std::string, std::uint64_t>> all(ours.begin(), ours.end());
  for_each_index(all.size(), options_.workers, stop_, [&](std::size_t i) {
    const std::string& key = all[i].first;
    const std::uint64_t bytes = all[i].second;
    const auto there = theirs.find(key);
    doing([&] { return format("copying \"{}\"", key); },
          [&] {
            if (there == theirs.end() || !is_there(key, bytes, there->second)) copy_one(key, bytes);
          });
  });
}

void CopyRun::copy_one(const std::string& key, std::uint64_t size_bytes) {
  if (size_bytes > repo::most_bytes_of(repo::parse_key(key)->kind))
    throw DamagedError(key, 0, "the object is longer than any of its kind");
  Buffer body;
  if (!from_.driver().get(key, {0, size_bytes + 1}, body)) throw gone(key);
  if (body.size() != size_bytes)
    throw DamagedError(key, body.size(), format("it was listed with {} bytes", size_bytes));
  repo::reseal(body.writable(), key, from_.seal_context(), to_.seal_context());
  // The archiver may have been faster.
  if (!to_.driver().put(key, body, storage::IfExists::keep)) {
    const auto there = to_.driver().stat(key);
    if (!there || !is_there(key, size_bytes, there->size_bytes))
      throw TransientError(format("\"{}\" existed and was removed meanwhile", key));
  }
  progress_.advance(size_bytes);
}

DamagedError CopyRun::gone(const std::string& key) const {
  return {key, 0, format("it is no longer in repository \"{}\"", from_.name()),
          "an expire has removed the backup meanwhile: copy another one"};
}

/// False when the target has lost it since it was listed. What is other or damaged there is never
/// replaced.
bool CopyRun::is_there(const std::string& key, std::uint64_t ours, std::uint64_t theirs) {
  const repo::ObjectKind kind = repo::parse_key(key)->kind;
  // WAL may have been compressed otherwise there; a backup's objects are copies.
  if ((ours == theirs || kind == repo::ObjectKind::wal) && same_object(key, ours)) return true;
  if (!to_.driver().stat(key)) return false;
  throw ConflictError(
      format("\"{}\" in repository \"{}\" is not the same as in \"{}\"", key, to_.name(),
             from_.name()),
      kind == repo::ObjectKind::wal
          ? kOtherLifeHint
          : "an interrupted backup of the same second left it there: an expire removes it later, "
            "or copy another backup");
}

/// Packs by their indexes, which have the hash of each page; all else by its content, never by its
/// size alone.
bool CopyRun::same_object(const std::string& key, std::uint64_t size_bytes) {
  const repo::ObjectKind kind = repo::parse_key(key)->kind;
  if (kind == repo::ObjectKind::manifest && !same_binding(key)) return false;
  if (kind == repo::ObjectKind::wal) return same_content(key) || same_wal(key);
  if (kind != repo::ObjectKind::pack) return same_content(key);
  const auto index = [&](repo::Repository& repository) {
    return in(repository, [&] {
      return repo::PackIndex::load(repository.driver(), repository.seal_context(), key, size_bytes);
    });
  };
  return index(from_) == index(to_);
}

bool CopyRun::same_content(const std::string& key) {
  const auto hash = [&](repo::Repository& repository) {
    crypto::Hasher128 hasher;
    const bool found = in(repository, [&] {
      return repo::read_content(repository, key, [&](Bytes piece) { hasher.add(piece); });
    });
    if (!found && &repository == &from_) throw gone(key);
    return hasher.finish();
  };
  return hash(from_) == hash(to_);
}

/// Two standbys archive segments that differ behind the end of their WAL.
bool CopyRun::same_wal(const std::string& key) {
  const std::string file = repo::parse_key(key)->file;
  const auto kind = wal_file_kind(file);
  if (kind != WalFileKind::segment && kind != WalFileKind::partial) return false;
  Buffer ours;
  const auto keep = [&](Bytes piece) { ours.append(piece); };
  if (!in(from_, [&] { return from_.get_wal(stanza_, cluster(), file, keep); })) throw gone(key);
  const auto comparison = in(to_, [&] {
    return compare_archived(to_, stanza_, cluster(), file, repo::wal_content(ours));
  });
  return comparison && comparison->archived_has_all();
}

/// The marker names the bindings of a sealed manifest.
bool CopyRun::same_binding(const std::string& key) {
  if (!from_.seal_context().sealed() || !to_.seal_context().sealed()) return true;
  const auto binding = [&](repo::Repository& repository) {
    Buffer header;
    repository.driver().get(key, {0, repo::kFrameHeaderBytes}, header);
    return in(repository, [&] {
      return repo::FrameReader(repository.seal_context(), key).binding_of(header, 0);
    });
  };
  return binding(from_) == binding(to_);
}

/// Without it the backup could not be restored from there.
void CopyRun::require_wal() {
  const repo::BackupMarker& backup = result_.backup;
  const auto missing = missing_wal(repo::StanzaView(to_, stanza_).list_wal(result_.backup.cluster),
                                   backup.wal_start, backup.wal_stop, backup.wal_segment_bytes);
  if (missing.empty()) return;
  throw Error(format("backup {} needs WAL {} to {}, and neither repository has {}", backup.label,
                     backup.wal_start, backup.wal_stop, missing.front()),
              "copy another backup; \"pgcairn verify\" shows what is missing");
}

/// Holds and annotations are said of the backup, wherever it is; what verify and drill found is
/// true of a repository.
void CopyRun::copy_records() {
  const repo::RecordState record_state(
      repo::read_records(from_, stanza_, {"hold", "note", "release"}), now());
  std::set<std::string> names;
  for (const repo::Record* hold : record_state.holds(result_.backup.label))
    names.insert(hold->name);
  for (const repo::Record& record : record_state.records()) {
    const auto* const note = std::get_if<repo::AnnotationRecord>(&record.content);
    if (note != nullptr && note->backup == result_.backup.label) names.insert(record.name);
  }
  for (const std::string& name : names) {
    const std::string key = repo::record_key(stanza_, name);
    const auto json = repo::get_document(from_.driver(), from_.seal_context(), key);
    if (json &&
        repo::put_document(to_.driver(), to_.seal_context(), key, *json, storage::IfExists::keep))
      ++result_.records;
  }
}

}  // namespace

CopyResult copy_backup(const std::string& stanza, repo::Repository& from, repo::Repository& to,
                       const CopyOptions& options, Progress& progress, std::stop_token stop) {
  return doing(
      [&] {
        return format("copying a backup of stanza \"{}\" from repository \"{}\" to \"{}\"", stanza,
                      from.name(), to.name());
      },
      [&] { return CopyRun(stanza, from, to, options, progress, std::move(stop)).run(); });
}

}  // namespace pgcairn::engine
