#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/file_map.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack.hpp>
#include <pgcairn/repo/pack_table.hpp>
#include <pgcairn/repo/repository.hpp>

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The backup that a new one builds on, read beside the cluster as a stream: both are sorted by
/// path.
class PriorBackup {
 public:
  /// Throws DamagedError when a pack that the backup names is missing: nothing may build on it.
  PriorBackup(repo::Repository& repository, std::string stanza, repo::BackupMarker info);

  const repo::BackupMarker& info() const { return info_; }
  /// What the new manifest's maps may name: the new backup itself, then those that this one names.
  std::vector<repo::ManifestRef> refs(const std::string& new_label,
                                      std::uint32_t frame_bytes) const;

  /// The entry for `path`, its map in terms of refs(). To be asked for paths in ascending order.
  std::optional<repo::ManifestEntry> find(const std::string& path);
  /// Where packs are, in terms of refs(). Reads the manifest to its end. Throws DamagedError when
  /// the repository holds one with another size.
  std::vector<repo::ManifestPack> packs();

  /// The hash of the kHashedBytes of content that begin at `place` in a frame. Safe from many
  /// threads.
  std::uint64_t hash_at(const repo::Extent& place);

 private:
  using PackId = std::pair<std::uint32_t, std::uint32_t>;  // in terms of refs()
  using IndexPointer = std::shared_ptr<const repo::PackIndex>;
  IndexPointer index_of(PackId pack);
  void list_packs();

  repo::Repository& repository_;
  std::string stanza_;
  repo::BackupMarker info_;
  repo::ManifestReader manifest_;
  std::vector<std::uint32_t> new_refs_;  // of the manifest's refs: their position in refs()
  std::vector<repo::ManifestRef> used_refs_;
  std::optional<repo::ManifestEntry> ahead_;  // read, and not yet asked for
  bool at_end_ = false;
  repo::PackSizes pack_bytes_;  // as the repository lists them, in terms of refs()

  std::mutex mutex_;
  std::list<std::pair<PackId, IndexPointer>> indexes_;  // the last used first
};

/// The size of the newest backup's cluster, for information: a full backup copies about as much.
std::uint64_t newest_bytes(repo::Repository& repository, const std::string& stanza);

/// Why nothing can build on `backup`: it needs one of the objects that could not be read. Nothing
/// when it needs none of them.
std::optional<std::string> needs_one_of(const repo::BackupMarker& backup, const std::string& stanza,
                                        std::span<const DamagedError> damaged);

/// Is it about the backup `prior` (empty: none), and about no object that is in `met` already? Then
/// it helps to build on another one.
bool is_news_of_prior(const DamagedError& error, const std::string& prior,
                      const std::string& stanza, std::span<const DamagedError> met);

}  // namespace pgcairn::engine
