#pragma once

#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/repository.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::repo {

/// A pack as a repository lists it.
struct ListedPack {
  std::uint32_t number = 0;
  std::uint64_t size_bytes = 0;
};

/// An object of WAL as a repository lists it, for as long as it is visited.
struct ListedWal {
  const std::string& key;
  std::string_view file;            // its name in pg_wal
  std::optional<WalFileKind> kind;  // nothing when `file` is no name of pg_wal
  std::uint64_t size_bytes;
  Timestamp modified;
};

/// Segments of one timeline whose LSNs have the same upper half.
struct WalFolder {
  std::string name;  // 16 hex digits
  Timeline timeline = 0;
};

/// What is archived of a cluster, for information and for plans.
struct WalListing {
  std::vector<std::string> segments;   // 24 hex digits each, sorted
  std::vector<std::string> histories;  // "00000002.history"
  std::vector<std::string> partials;   // "....partial"
};

/// What a repository has of one stanza, found by its meaning instead of by keys. Costs nothing to
/// make: each call asks the repository.
class StanzaView {
 public:
  /// `repository` must outlive this.
  StanzaView(Repository& repository, std::string stanza)
      : repository_(&repository), stanza_(std::move(stanza)) {}

  /// Opens the manifest of a backup. Throws DamagedError when its first part is not there.
  ManifestReader manifest(const BackupMarker& backup) const;
  /// The packs that backup `owner` stored, listed or not, by number.
  void packs(const std::string& owner, const std::function<void(const ListedPack&)>& visit) const;

  // WAL of a cluster, which is named by its id.
  using VisitWal = std::function<void(const ListedWal&)>;
  /// All of it, in the order of the keys.
  void wal(const std::string& cluster, const VisitWal& visit) const;
  WalListing list_wal(const std::string& cluster) const;
  /// Sorted by name. Costs little however many segments there are.
  std::vector<WalFolder> wal_folders(const std::string& cluster) const;
  /// What is in the folders whose names begin with `folder`.
  void wal_in(const std::string& cluster, const std::string& folder, const VisitWal& visit) const;
  /// The timelines of folders. One whose segments were removed may be among them.
  std::set<Timeline> wal_timelines(const std::string& cluster) const;
  /// The first segment after `segment` on its timeline; empty: none. Lists names of folders, and
  /// one or few of them.
  std::string next_wal(const std::string& cluster, const std::string& segment) const;
  /// Is there a "....backup" of the segment?
  bool has_backup_history(const std::string& cluster, const std::string& segment) const;
  /// The content of a file; nothing when it is certainly not there. Throws as
  /// Repository::get_wal() does.
  std::optional<Buffer> read_wal(const Cluster& cluster, const std::string& file) const;

 private:
  void list(const std::string& prefix, const VisitWal& visit) const;

  Repository* repository_;
  std::string stanza_;
};

}  // namespace pgcairn::repo
