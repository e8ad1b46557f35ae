#include "expire/catalog.hpp"

#include "backup/resume.hpp"

#include <pgcairn/common/parallel.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <mutex>
#include <set>

namespace pgcairn::engine {

namespace {

// The time part of a label that is later than all others.
constexpr std::string_view kLastTime = "99991231-235959";

CatalogBackup small(const repo::BackupMarker& info, std::vector<std::string>& owners,
                    std::map<std::string, std::uint32_t>& positions) {
  CatalogBackup backup;
  backup.judged = {info.label, info.type, info.cluster, info.stop_time, false, {}, {}, false};
  backup.stored_bytes = info.stored_bytes;
  backup.timeline = info.timeline;
  backup.stop_lsn = info.stop_lsn;
  backup.wal_start = info.wal_start;
  backup.wal_stop = info.wal_stop;
  backup.wal_segment_bytes = info.wal_segment_bytes;
  for (const repo::PackRange& range : info.packs) {
    const auto next = static_cast<std::uint32_t>(owners.size());
    const auto [position, is_new] = positions.try_emplace(range.backup, next);
    if (is_new) owners.push_back(range.backup);
    backup.packs.push_back({position->second, range.first, range.last});
  }
  backup.packs.shrink_to_fit();
  return backup;
}

}  // namespace

Catalog read_catalog(repo::Repository& repository, const std::string& stanza,
                     const std::stop_token& stop) {
  Catalog catalog;
  std::map<std::string, std::uint32_t> positions;
  const std::vector<std::string> labels = repository.backup_labels(stanza);
  std::mutex mutex;
  for_each_index(labels.size(), kRequestsAtOnce, stop, [&](std::size_t i) {
    try {
      const auto info = repository.find_backup(stanza, labels[i]);
      if (!info) return;  // removed since it was listed
      std::lock_guard lock(mutex);
      catalog.backups.push_back(small(*info, catalog.owners, positions));
    } catch (const DamagedError& error) {
      std::lock_guard lock(mutex);
      catalog.unreadable.push_back({labels[i], error});
    }
  });
  std::sort(catalog.backups.begin(), catalog.backups.end(),
            [](const CatalogBackup& a, const CatalogBackup& b) {
              return repo::label_time(a.judged.label) < repo::label_time(b.judged.label);
            });
  std::sort(catalog.unreadable.begin(), catalog.unreadable.end(),
            [](const UnreadableMarker& a, const UnreadableMarker& b) { return a.label < b.label; });
  return catalog;
}

NamedPacks::NamedPacks(const Catalog& catalog, bool kept) {
  for (const CatalogBackup& backup : catalog.backups) {
    if (backup.keep != kept) continue;
    for (const CatalogBackup::Packs& packs : backup.packs) {
      Owner& owner = owners_[catalog.owners[packs.owner]];
      if (owner.newest_namer != backup.judged.label) ++owner.namers;
      owner.newest_namer = backup.judged.label;
      add(owner.ranges, packs.first, packs.last);
    }
  }
}

void NamedPacks::add(std::map<std::uint32_t, std::uint32_t>& ranges, std::uint32_t first,
                     std::uint32_t last) {
  auto at = ranges.upper_bound(first);
  if (at != ranges.begin() && std::prev(at)->second >= first) --at;
  while (at != ranges.end() && at->first <= last) {
    first = std::min(first, at->first);
    last = std::max(last, at->second);
    at = ranges.erase(at);
  }
  ranges.emplace(first, last);
}

bool NamedPacks::has(std::string_view owner, std::uint64_t pack) const {
  const auto found = owners_.find(owner);
  if (found == owners_.end()) return false;
  const auto after = found->second.ranges.upper_bound(static_cast<std::uint32_t>(pack));
  return after != found->second.ranges.begin() && std::prev(after)->second >= pack;
}

std::string NamedPacks::namers(std::string_view owner) const {
  const auto found = owners_.find(owner);
  if (found == owners_.end()) return {};
  const Owner& one = found->second;
  return one.namers == 1 ? one.newest_namer
                         : format("{} and {} more", one.newest_namer, one.namers - 1);
}

std::vector<std::string> resumable(std::span<const std::string> listed,
                                   std::span<const std::string> stored) {
  std::set<std::string> next = {format("{}F", kLastTime)};
  for (const std::string& label : listed)
    next.insert(format("{}_{}I", label.substr(0, label.find('_')), kLastTime));
  std::set<std::string> found;
  for (const std::string& label : next) {
    for (std::string& leftover : resumable_for(label, listed, stored))
      found.insert(std::move(leftover));
  }
  return {found.begin(), found.end()};
}

std::string may_name_packs_of(const std::string& label, const std::set<std::string>& doubtful,
                              const std::set<std::string>& listed) {
  const auto full_of = [](const std::string& one) { return one.substr(0, one.find('_')); };
  for (const std::string& one : doubtful) {
    if (repo::label_time(label) > repo::label_time(one)) continue;
    const bool same_family = one != full_of(one) && full_of(one) == full_of(label);
    if (same_family || one == label || !listed.contains(label)) return one;
  }
  return {};
}

}  // namespace pgcairn::engine
