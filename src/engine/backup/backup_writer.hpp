#pragma once

#include "backup/pack_references.hpp"
#include "backup/pack_writer.hpp"
#include "backup/target_repositories.hpp"

#include <pgcairn/repo/manifest.hpp>

#include <optional>
#include <span>
#include <string>

namespace pgcairn::engine {

/// Stores a backup in the order that a reader may rely on: packs, the manifest that names them, and
/// the marker, which makes it listed, when all of that is there.
class BackupWriter {
 public:
  /// Objects are bound to `bound`, one of `targets`. `header` has the refs of `references`.
  BackupWriter(Targets& targets, repo::Repository& bound, std::string stanza,
               repo::ManifestHeader header, PackReferences references, std::size_t pack_bytes);

  PackWriter& packs() { return *packs_; }
  /// The next entry of the manifest, and the packs that its map names.
  void add(const repo::ManifestEntry& entry);
  /// When all packs are durable: `others` are those of older and interrupted backups. Says in
  /// `info` what was stored. Nothing may be added afterwards.
  void finish(std::span<const repo::ManifestPack> others, repo::BackupMarker& info);
  /// The marker, in each target whose lease is held.
  void publish(const Leases& leases, const repo::BackupMarker& info);

 private:
  Targets& targets_;
  std::string stanza_;
  PackReferences references_;
  std::optional<repo::ManifestWriter> manifest_;
  std::optional<PackWriter> packs_;
};

}  // namespace pgcairn::engine
