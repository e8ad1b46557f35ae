#pragma once

#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack_table.hpp>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace pgcairn::engine {

/// The packs of other backups that a new manifest names: those that it may name, and those that its
/// maps have named so far.
class PackReferences {
 public:
  /// `refs`: the new backup, then those whose packs the backup names that it builds on.
  explicit PackReferences(std::vector<repo::ManifestRef> refs);
  /// Interrupted backups, which may be named from now on. Their refs follow the others.
  void add_interrupted(std::span<const repo::ManifestRef> interrupted);

  const std::vector<repo::ManifestRef>& refs() const { return refs_; }

  /// A file's map names packs.
  void name(std::span<const repo::Extent> map);

  /// What the manifest lists, in its order: all of `own` and what is named of `others`. Throws
  /// DamagedError for `prior`, the key of the older backup's marker, when something is named that
  /// `others` lacks.
  std::vector<repo::ManifestPack> packs(std::vector<repo::ManifestPack> own,
                                        std::span<const repo::ManifestPack> others,
                                        const std::string& prior) const;
  /// What the marker says of packs() as ranges, and of those that interrupted backups have stored.
  std::vector<repo::PackRange> ranges(std::span<const repo::ManifestPack> packs) const;
  std::vector<repo::Resumed> resumed(std::span<const repo::ManifestPack> packs) const;

 private:
  std::vector<repo::ManifestRef> refs_;
  std::size_t first_interrupted_;
  repo::PackSet named_;
  std::map<std::uint32_t, std::uint64_t> resumed_bytes_;  // by ref
};

}  // namespace pgcairn::engine
