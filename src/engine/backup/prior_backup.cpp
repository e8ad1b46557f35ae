#include "backup/prior_backup.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/postgres/files.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>
#include <set>

namespace pgcairn::engine {

namespace {

// Files that lie together in the cluster lie in few packs.
constexpr std::size_t kIndexesKept = 24;
constexpr std::uint32_t kUnused = UINT32_MAX;
constexpr std::string_view kReadLast = "global/pg_control";  // out of order in manifests

}  // namespace

PriorBackup::PriorBackup(repo::Repository& repository, std::string stanza, repo::BackupMarker info)
    : repository_(repository),
      stanza_(std::move(stanza)),
      info_(std::move(info)),
      manifest_(repo::StanzaView(repository, stanza_).manifest(info_)) {
  std::set<std::string> used;
  for (const repo::PackRange& range : info_.packs) used.insert(range.backup);
  for (const repo::ManifestRef& ref : manifest_.header().refs) {
    const bool is_used = used.contains(ref.backup);
    new_refs_.push_back(is_used ? static_cast<std::uint32_t>(used_refs_.size() + 1) : kUnused);
    if (is_used) used_refs_.push_back(ref);
  }
  list_packs();
}

void PriorBackup::list_packs() {
  const repo::StanzaView stanza(repository_, stanza_);
  for (std::uint32_t i = 0; i < used_refs_.size(); ++i) {
    stanza.packs(used_refs_[i].backup, [&](const repo::ListedPack& pack) {
      pack_bytes_.set(i + 1, pack.number, pack.size_bytes);
    });
  }
  for (const repo::PackRange& range : info_.packs) {
    const auto ref = std::find_if(used_refs_.begin(), used_refs_.end(),
                                  [&](const auto& one) { return one.backup == range.backup; });
    for (std::uint32_t pack = range.first; pack <= range.last; ++pack) {
      const auto position = static_cast<std::uint32_t>(ref - used_refs_.begin()) + 1;
      if (ref != used_refs_.end() && pack_bytes_.find(position, pack)) continue;
      throw DamagedError(repo::pack_key(stanza_, range.backup, pack), 0, "the pack is missing");
    }
  }
}

std::vector<repo::ManifestRef> PriorBackup::refs(const std::string& new_label,
                                                 std::uint32_t frame_bytes) const {
  std::vector<repo::ManifestRef> refs = {{new_label, frame_bytes}};
  refs.insert(refs.end(), used_refs_.begin(), used_refs_.end());
  return refs;
}

std::optional<repo::ManifestEntry> PriorBackup::find(const std::string& path) {
  while (!at_end_ && (!ahead_ || postgres::path_before(ahead_->path, path))) {
    ahead_ = manifest_.next();
    if (!ahead_) at_end_ = true;
    if (ahead_ && ahead_->path == kReadLast) ahead_.reset();
  }
  if (!ahead_ || ahead_->path != path) return std::nullopt;
  for (repo::Extent& extent : ahead_->map) {
    extent.ref = new_refs_[extent.ref];
    if (extent.ref == kUnused) {
      throw DamagedError(repo::marker_key(stanza_, info_.label), 0,
                         "the marker does not name every pack that the manifest names");
    }
  }
  return std::exchange(ahead_, std::nullopt);
}

std::vector<repo::ManifestPack> PriorBackup::packs() {
  while (!at_end_) at_end_ = !manifest_.next();
  std::vector<repo::ManifestPack> packs = manifest_.packs();
  for (repo::ManifestPack& pack : packs) {
    pack.ref = new_refs_[pack.ref];
    if (pack.ref == kUnused) continue;
    if (pack_bytes_.find(pack.ref, pack.pack) != pack.size_bytes) {
      throw DamagedError(repo::pack_key(stanza_, used_refs_[pack.ref - 1].backup, pack.pack), 0,
                         "the pack has another size than when it was written");
    }
  }
  std::erase_if(packs, [](const repo::ManifestPack& pack) { return pack.ref == kUnused; });
  return packs;
}

PriorBackup::IndexPointer PriorBackup::index_of(PackId pack) {
  std::unique_lock lock(mutex_);
  const auto kept = std::find_if(indexes_.begin(), indexes_.end(),
                                 [&](const auto& one) { return one.first == pack; });
  if (kept != indexes_.end()) {
    indexes_.splice(indexes_.begin(), indexes_, kept);
    return indexes_.front().second;
  }
  lock.unlock();
  const std::string key =
      repo::pack_key(stanza_, used_refs_.at(pack.first - 1).backup, pack.second);
  const auto size_bytes = pack_bytes_.find(pack.first, pack.second);
  if (!size_bytes) throw DamagedError(key, 0, "the pack is missing");
  auto index = std::make_shared<const repo::PackIndex>(
      repo::PackIndex::load(repository_.driver(), repository_.seal_context(), key, *size_bytes));
  lock.lock();
  indexes_.emplace_front(pack, index);
  if (indexes_.size() > kIndexesKept) indexes_.pop_back();
  return index;
}

std::uint64_t PriorBackup::hash_at(const repo::Extent& place) {
  PGCAIRN_ASSERT(place.offset_bytes % repo::kHashedBytes == 0);
  const IndexPointer index = index_of({place.ref, place.pack});
  const std::size_t position = place.offset_bytes / repo::kHashedBytes;
  if (place.frame >= index->frames() || position >= index->hashes(place.frame).size()) {
    throw DamagedError(repo::pack_key(stanza_, used_refs_.at(place.ref - 1).backup, place.pack), 0,
                       "the manifest names a place that the pack does not have");
  }
  return index->hashes(place.frame)[position];
}

std::uint64_t newest_bytes(repo::Repository& repository, const std::string& stanza) {
  const std::vector<std::string> labels = repository.backup_labels(stanza);
  const auto newest = std::max_element(
      labels.begin(), labels.end(),
      [](const auto& a, const auto& b) { return repo::label_time(a) < repo::label_time(b); });
  try {
    if (newest == labels.end()) return 0;
    const auto backup = repository.find_backup(stanza, *newest);
    return backup ? backup->cluster_bytes : 0;
  } catch (const DamagedError&) {
    return 0;
  }
}

namespace {

bool needs(const repo::BackupMarker& backup, const std::string& stanza, const std::string& key) {
  if (key == repo::marker_key(stanza, backup.label)) return true;
  const auto object = repo::parse_key(key);
  if (!object || object->stanza != stanza) return false;
  if (object->kind == repo::ObjectKind::manifest) return object->owner == backup.label;
  return object->kind == repo::ObjectKind::pack &&
         std::any_of(backup.packs.begin(), backup.packs.end(), [&](const repo::PackRange& range) {
           return range.backup == object->owner && range.first <= object->number &&
                  object->number <= range.last;
         });
}

}  // namespace

std::optional<std::string> needs_one_of(const repo::BackupMarker& backup, const std::string& stanza,
                                        std::span<const DamagedError> damaged) {
  for (const DamagedError& error : damaged) {
    if (needs(backup, stanza, error.object())) return error.message();
  }
  return std::nullopt;
}

bool is_news_of_prior(const DamagedError& error, const std::string& prior,
                      const std::string& stanza, std::span<const DamagedError> met) {
  const bool known = std::any_of(met.begin(), met.end(), [&](const DamagedError& one) {
    return one.object() == error.object();
  });
  return !prior.empty() && !known && error.object().starts_with(repo::stanza_prefix(stanza));
}

}  // namespace pgcairn::engine
