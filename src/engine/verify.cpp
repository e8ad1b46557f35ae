#include "verify_objects.hpp"
#include "wal_archive.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/verify.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <set>

namespace pgcairn::engine {

namespace {

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

  VerifiedRepository run() {
    repository_.open();
    read_markers();
    for (const repo::BackupInfo& backup : backups_) {
      check_stop(stop_);
      read_manifest(backup);
    }
    for (const auto& [label, packs] : packs_) compare_packs(label, packs);
    for (const repo::BackupInfo& backup : backups_) follow_wal(backup);
    if (options_.level == VerifyLevel::full) open_objects();
    name_files();
    return std::move(result_);
  }

 private:
  struct NamedPack {
    std::uint64_t size_bytes = 0;
    std::vector<std::string> backups;
  };

  void read_markers() {
    std::vector<std::string> labels = {options_.set};
    if (options_.set.empty()) labels = repository_.backup_labels(stanza_);
    for (const std::string& label : labels) {
      try {
        backups_.push_back(repository_.read_backup(stanza_, label));
      } catch (const DamagedError& error) {
        damaged(error, {label});
      }
    }
    result_.backups = backups_.size();
  }

  void read_manifest(const repo::BackupInfo& backup) {
    progress_.phase(format("reading the manifest of {}", backup.label), 0);
    try {
      repo::ManifestReader manifest(repository_.driver(), repository_.id(), stanza_, backup.label,
                                    backup.manifest_parts);
      while (manifest.next()) check_stop(stop_);
      for (const repo::ManifestPack& pack : manifest.packs()) {
        const std::string& owner = manifest.header().refs.at(pack.ref).backup;
        NamedPack& named = packs_[owner][pack.pack];
        if (!named.backups.empty() && named.size_bytes != pack.size_bytes) {
          damaged({repo::pack_key(stanza_, owner, pack.pack), pack.size_bytes,
                   "two manifests name it with different sizes"},
                  {named.backups.front(), backup.label});
        }
        named.size_bytes = pack.size_bytes;
        named.backups.push_back(backup.label);
      }
    } catch (const DamagedError& error) {
      damaged(error, {backup.label});
    }
  }

  void compare_packs(const std::string& label, const std::map<std::uint32_t, NamedPack>& packs) {
    std::map<std::string, std::uint64_t> found;
    repository_.driver().list(
        repo::pack_prefix(stanza_, label),
        [&](const storage::Object& object) { found[object.key] = object.size_bytes; });
    for (const auto& [number, named] : packs) {
      ++result_.packs;
      const std::string key = repo::pack_key(stanza_, label, number);
      const auto object = found.find(key);
      if (object == found.end()) {
        damaged({key, 0, "the pack is missing"}, named.backups);
      } else if (object->second != named.size_bytes) {
        damaged({key, std::min(object->second, named.size_bytes),
                 format("the pack has {} bytes, and had {} when it was written", object->second,
                        named.size_bytes)},
                named.backups);
      } else {
        whole_packs_.push_back({key, named.size_bytes, named.backups});
      }
    }
  }

  /// All that the backup needs must be there, and what comes after it should have no gap.
  void follow_wal(const repo::BackupInfo& backup) {
    const repo::Cluster cluster{backup.system_id, backup.pg_version};
    const auto last = parse_wal_segment_name(backup.wal_stop, backup.wal_segment_bytes);
    WalArchive& wal = archive_of(cluster);
    Timeline newest = backup.timeline;
    for (const Timeline timeline : wal.timelines().descendants(backup.timeline, backup.stop_lsn))
      newest = std::max(newest, timeline);
    const WalReach reach = wal.reach(backup, wal.timelines().path(backup.timeline, newest));
    const auto missing = parse_wal_segment_name(reach.missing, backup.wal_segment_bytes);
    for (const std::string& name : segments_of(reach, backup.wal_segment_bytes))
      wal_[{cluster.system_id, name}] = cluster;
    if (missing->number <= last->number) {
      damaged({reach.missing, 0, "the WAL segment is missing, and the backup needs it"},
              {backup.label});
    } else if (!reach.after_gap.empty() && gaps_.insert(reach.missing).second) {
      damaged({reach.missing, 0,
               format("the WAL segment is missing, while {} is there: no recovery gets past it",
                      reach.after_gap)},
              {});
    }
  }

  WalArchive& archive_of(const repo::Cluster& cluster) {
    auto& archive = archives_[cluster.system_id];
    if (!archive) {
      archive = std::make_unique<WalArchive>(stanza_, cluster, std::span(&repository_, 1));
      for (const std::string& note : archive->notes()) result_.notes.push_back(note);
    }
    return *archive;
  }

  void open_objects() {
    std::vector<ObjectToOpen> objects;
    for (const WholePack& pack : whole_packs_)
      objects.push_back({pack.key, pack.size_bytes, {}, "", pack.backups});
    result_.wal_segments = wal_.size();
    for (const auto& [key, cluster] : wal_) objects.push_back({"", 0, cluster, key.second, {}});
    choose_sample(objects, options_.sample_percent);
    ObjectOpener opener(stanza_, repository_, progress_, stop_);
    opener.open(objects, options_.process_max);
    for (Damage& damage : opener.damages()) result_.damages.push_back(std::move(damage));
    result_.bytes_read = opener.bytes_read();
    for (const ObjectToOpen& object : objects)
      ++(object.wal_file.empty() ? result_.packs_opened : result_.wal_opened);
  }

  /// Which files of the cluster stand in damaged packs: one more reading of the manifests, and only
  /// when there is damage.
  void name_files() {
    result_.wal_segments = wal_.size();
    for (Damage& damage : result_.damages) {
      if (damage.backups.empty() || damage.object.find("/pack/") == std::string::npos) continue;
      try {
        name_files(damage);
      } catch (const DamagedError&) {
        // The manifest itself is damaged, which is told already.
      }
    }
  }

  void name_files(Damage& damage) {
    const auto backup = std::find_if(
        backups_.begin(), backups_.end(),
        [&](const repo::BackupInfo& info) { return info.label == damage.backups.back(); });
    if (backup == backups_.end()) return;
    repo::ManifestReader manifest(repository_.driver(), repository_.id(), stanza_, backup->label,
                                  backup->manifest_parts);
    while (const auto entry = manifest.next()) {
      check_stop(stop_);
      const bool named =
          std::any_of(entry->map.begin(), entry->map.end(), [&](const repo::Extent& extent) {
            return repo::pack_key(stanza_, manifest.header().refs.at(extent.ref).backup,
                                  extent.pack) == damage.object;
          });
      if (!named) continue;
      if (++damage.files <= kMostFilesNamed) damage.paths.push_back(entry->path);
    }
  }

  void damaged(const DamagedError& error, std::vector<std::string> backups) {
    result_.damages.push_back(
        {error.object(), error.offset(), error.cause(), std::move(backups), {}, 0});
  }

  struct WholePack {
    std::string key;
    std::uint64_t size_bytes;
    std::vector<std::string> backups;
  };

  std::string stanza_;
  repo::Repository& repository_;
  const VerifyOptions& options_;
  Progress& progress_;
  std::stop_token stop_;
  VerifiedRepository result_;
  std::vector<repo::BackupInfo> backups_;
  std::map<std::string, std::map<std::uint32_t, NamedPack>> packs_;  // by owner and number
  std::vector<WholePack> whole_packs_;
  std::map<std::pair<SystemId, std::string>, repo::Cluster> wal_;  // segments that backups reach
  std::map<SystemId, std::unique_ptr<WalArchive>> archives_;
  std::set<std::string> gaps_;
};

}  // namespace

bool VerifyResult::damaged() const {
  return std::any_of(repositories.begin(), repositories.end(),
                     [](const VerifiedRepository& one) { return !one.damages.empty(); });
}

bool VerifyResult::unread() const {
  return std::any_of(repositories.begin(), repositories.end(),
                     [](const VerifiedRepository& one) { return !one.error.empty(); });
}

VerifyResult verify(const std::string& stanza, std::span<repo::Repository> repositories,
                    const VerifyOptions& options, Progress& progress, std::stop_token stop) {
  VerifyResult result;
  std::exception_ptr missing;
  std::size_t missing_in = 0;
  for (repo::Repository& repository : repositories) {
    try {
      result.repositories.push_back(
          Verification(stanza, repository, options, progress, stop).run());
      continue;
    } catch (const MissingError& error) {
      missing = std::current_exception();
      ++missing_in;
      result.repositories.push_back({});
      // A backup is where it was made.
      if (!options.set.empty()) result.repositories.back().notes.push_back(error.message());
      if (options.set.empty()) result.repositories.back().error = error.render();
    } catch (const Error& error) {
      result.repositories.push_back({});
      result.repositories.back().error = error.render();
    }
    result.repositories.back().name = repository.name();
  }
  if (missing && missing_in == repositories.size()) std::rethrow_exception(missing);
  return result;
}

}  // namespace pgcairn::engine
