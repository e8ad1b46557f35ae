#include "stanza/missing_stanza.hpp"
#include "status/outlook.hpp"
#include "status/read_markers.hpp"
#include "status/restorable_windows.hpp"
#include "status/sizes.hpp"
#include "wal/branch_ends.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/first_error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/status/info.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

/// Reads what one repository holds of a stanza, step by step; the first error is kept, and what was
/// read until then.
class InfoReader {
 public:
  InfoReader(std::string stanza, repo::Repository& repository, const std::string& set,
             std::stop_token stop)
      : stanza_(std::move(stanza)), repository_(repository), set_(set), stop_(std::move(stop)) {
    info_.name = repository.name();
  }

  void read(bool may_be_misspelt) {
    try {
      repository_.open();
    } catch (const MissingError& error) {
      info_.error = why_unread_ = error.render();
      info_.missing = error;
      return;
    } catch (const repo::KeyError& error) {
      info_.error = why_unread_ = error.render();
      info_.locked = true;
      return;
    } catch (const Error& error) {
      info_.error = why_unread_ = error.render();
      return;
    }
    try {
      info_.clusters = repository_.clusters(stanza_);
      read_backups();
      read_records();
      for (const repo::Cluster& cluster : info_.clusters) read_wal(cluster);
      read_lease();
      if (may_be_misspelt && info_.clusters.empty())
        info_.meant_stanza = nearest_stanza(repository_, stanza_).value_or("");
    } catch (const Error& error) {
      why_unread_ = error.message();
      note_error(error);
    }
    info_.growth = growth_of(info_, first_wal_);
    info_.sizes = sizes_of(info_.backups, estimated_pack_bytes(info_.backups));
  }

  bool has_backups() const { return !labels_.empty(); }

  /// The state by which judge() goes, as health has it.
  void judge(Timestamp when, bool kept_elsewhere, const HealthLimits& limits) {
    if (why_unread_.empty() && info_.clusters.empty())
      why_unread_ = format("stanza \"{}\" is not in repository \"{}\"", stanza_, info_.name);
    if (!why_unread_.empty()) {
      info_.findings = {unread_finding(info_.name, why_unread_)};
      return;
    }
    RepositoryState state;
    state.repository = info_.name;
    state.when = when;
    state.labels = labels_;
    state.oldest_backup = repo::oldest_backup(labels_);
    if (!info_.backups.empty()) state.newest = &info_.backups.back();
    state.unreadable = unreadable_;
    if (info_.record_state) state.record_state = &*info_.record_state;
    if (info_.outlook) state.outlook = &*info_.outlook;
    state.kept_elsewhere = kept_elsewhere;
    info_.findings = engine::judge(state, limits);
  }

  RepositoryInfo finish() {
    if (!set_.empty()) keep_one();
    return std::move(info_);
  }

 private:
  void note_error(const Error& error) {
    if (info_.error.empty()) info_.error = error.render();
  }

  void read_backups() {
    labels_ = repository_.backup_labels(stanza_);
    read_markers(repository_, stanza_, labels_, stop_, info_.backups, info_.unreadable);
    for (const auto& [label, why] : info_.unreadable) unreadable_.push_back(why);
  }

  void read_wal(const repo::Cluster& cluster) {
    ArchivedWal wal;
    std::vector<std::string> histories;
    const std::string id = repo::cluster_id(cluster);
    view_.wal(id, [&](const repo::ListedWal& object) {
      if (object.kind) info_.wal_bytes += object.size_bytes;
      if (object.kind == WalFileKind::timeline_history) histories.emplace_back(object.file);
      note_archived(wal, object);
    });
    count_segments(wal);
    read_histories(cluster, histories, wal);
    std::vector<repo::BackupMarker> backups;
    for (const repo::BackupMarker& backup : info_.backups)
      if (backup.cluster == id) backups.push_back(backup);
    for (RestorableWindow& window : find_windows(backups, wal))
      info_.windows.push_back(std::move(window));
    if (!info_.backups.empty() && info_.backups.back().cluster == id)
      info_.outlook =
          outlook_of(info_.backups, info_.record_state ? &*info_.record_state : nullptr, wal);
    read_branches(cluster, backups, wal);
  }

  void read_branches(const repo::Cluster& cluster, std::span<const repo::BackupMarker> backups,
                     const ArchivedWal& wal) {
    const auto read = [&](const std::string& file) {
      auto content = view_.read_wal(cluster, file);
      if (!content) throw Error(format("{} is no longer there", file));
      return std::move(*content);
    };
    const Branches branches(branch_sources(wal, backups));
    for (Branch& branch : read_branch_ends(branches, repo::cluster_id(cluster), read))
      info_.branches.push_back(std::move(branch));
  }

  void count_segments(const ArchivedWal& wal) {
    for (const auto& [name, time] : wal.segments) {
      if (info_.wal_segments++ == 0) {
        info_.wal_first = name;
        first_wal_ = time;
      }
      first_wal_ = std::min(first_wal_, time);
      info_.wal_last = name;
      info_.wal_time = std::max(time, info_.wal_time.value_or(time));
    }
  }

  void read_histories(const repo::Cluster& cluster, const std::vector<std::string>& names,
                      ArchivedWal& wal) {
    for (const std::string& name : names) {
      try {
        const auto content = view_.read_wal(cluster, name);
        const auto timeline = parse_u64(name.substr(0, 8), 16);
        if (content && timeline)
          wal.timelines.add(static_cast<Timeline>(*timeline), *content, name);
      } catch (const DamagedError& error) {
        unreadable_.push_back(error.message());
        info_.notes.push_back(format("{} could not be read: {}", name, error.message()));
      }
    }
  }

  void read_records() {
    std::vector<repo::Record> records =
        repo::read_records(repository_, stanza_, {}, [&](const DamagedError& error) {
          unreadable_.push_back(error.message());
          info_.notes.push_back(error.message());
        });
    for (const repo::Record& record : records) {
      if (const auto* limits = std::get_if<repo::LimitsRecord>(&record.content)) note(*limits);
    }
    info_.record_state.emplace(std::move(records), now());
  }

  void note(const repo::LimitsRecord& limits) {
    const auto older = [&](const repo::BackupMarker& backup) {
      return backup.cluster == limits.cluster && backup.start_lsn <= limits.lsn;
    };
    if (limits.limits.wal_level != kWalLevelMinimal ||
        std::none_of(info_.backups.begin(), info_.backups.end(), older))
      return;
    info_.notes.push_back(
        format("the server ran with wal_level=minimal from LSN {} on timeline {} on: backups that "
               "began before that cannot be recovered beyond it",
               to_string(limits.lsn), limits.timeline));
  }

  void read_lease() {
    try {
      info_.lease = repo::read_lease(repository_, stanza_);
    } catch (const DamagedError& error) {
      info_.notes.push_back(format("it is not known whether anything runs: {}", error.message()));
    }
  }

  /// The one backup that was asked for, with the sizes that its packs have.
  void keep_one() {
    std::map<std::string, std::map<std::uint32_t, std::uint64_t>> packs;
    for (const repo::BackupMarker& backup : info_.backups) {
      if (backup.label != set_) continue;
      for (const repo::PackRange& range : backup.packs) list_packs(range.backup, packs);
    }
    const PackBytes listed = [&](const std::string& owner, std::uint32_t first,
                                 std::uint32_t last) {
      std::uint64_t bytes = 0;
      const auto& of_owner = packs[owner];
      for (auto pack = of_owner.lower_bound(first); pack != of_owner.end() && pack->first <= last;
           ++pack)
        bytes += pack->second;
      return bytes;
    };
    const auto exact = sizes_of(info_.backups, listed);
    std::erase_if(info_.backups, [&](const auto& backup) { return backup.label != set_; });
    std::erase_if(info_.unreadable, [&](const auto& backup) { return backup.first != set_; });
    std::erase_if(info_.sizes, [&](const auto& size) { return size.first != set_; });
    for (auto& [label, size] : info_.sizes) {
      size = exact.at(label);
      size.exact = true;
    }
    std::erase_if(info_.windows, [&](const RestorableWindow& window) {
      return std::find(window.backups.begin(), window.backups.end(), set_) == window.backups.end();
    });
  }

  void list_packs(const std::string& owner,
                  std::map<std::string, std::map<std::uint32_t, std::uint64_t>>& packs) {
    if (packs.contains(owner)) return;
    auto& of_owner = packs[owner];
    view_.packs(owner,
                [&](const repo::ListedPack& pack) { of_owner[pack.number] = pack.size_bytes; });
  }

  std::string stanza_;
  repo::Repository& repository_;
  repo::StanzaView view_{repository_, stanza_};
  const std::string& set_;
  std::stop_token stop_;
  RepositoryInfo info_;
  std::string why_unread_;  // all of it
  std::vector<std::string> labels_;
  std::vector<std::string> unreadable_;
  Timestamp first_wal_{};
};

/// Adds the stanzas of all repositories that can be read; what kept the others from it.
FirstError find_stanzas(std::span<repo::Repository> repositories, std::set<std::string>& names) {
  FirstError failure;
  for (repo::Repository& repository : repositories) {
    failure.attempt([&] {
      repository.open();
      const auto found = repository.stanzas();
      names.insert(found.begin(), found.end());
    });
  }
  return failure;
}

}  // namespace

bool RepositoryInfo::restorable(std::string_view label) const {
  return std::any_of(windows.begin(), windows.end(), [&](const RestorableWindow& window) {
    return std::find(window.backups.begin(), window.backups.end(), label) != window.backups.end();
  });
}

std::vector<StanzaInfo> read_info(const InfoOptions& options,
                                  std::span<repo::Repository> repositories, std::stop_token stop) {
  std::set<std::string> names = options.stanzas;
  if (options.and_found) {
    const FirstError failure = find_stanzas(repositories, names);
    // With a stanza to show, the repository that could not be read is reported there.
    if (names.empty()) failure.throw_if_any();
  }
  std::vector<StanzaInfo> infos;
  for (const std::string& name : names) {
    StanzaInfo info{name, {}, now()};
    std::vector<InfoReader> readers;
    for (repo::Repository& repository : repositories)
      readers.emplace_back(name, repository, options.set, stop).read(options.may_be_misspelt);
    const auto limits = options.limits.find(name);
    for (InfoReader& reader : readers) {
      const bool elsewhere = std::any_of(readers.begin(), readers.end(), [&](const auto& other) {
        return &other != &reader && other.has_backups();
      });
      reader.judge(info.when, elsewhere,
                   limits == options.limits.end() ? options.default_limits : limits->second);
      info.repositories.push_back(reader.finish());
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

}  // namespace pgcairn::engine
