#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/wal.hpp>
#include <pgcairn/compress/codec.hpp>
#include <pgcairn/repo/backup_marker.hpp>
#include <pgcairn/repo/keyring.hpp>
#include <pgcairn/repo/seal_context.hpp>
#include <pgcairn/storage/driver.hpp>
#include <pgcairn/storage/fence.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::repo {

/// The identity of a cluster that a stanza keeps backups and WAL of: one object for each system
/// identifier and major version.
struct Cluster {
  SystemId system_id = 0;
  int pg_version = 0;
  bool operator==(const Cluster&) const = default;
};
/// "15-7412345678901234567": names the cluster's object and its WAL directory.
std::string cluster_id(const Cluster& cluster);
/// Nothing when it is none.
std::optional<Cluster> parse_cluster_id(std::string_view id);

/// A segment of 1 GiB that cannot be compressed, and its frames' headers: no object is longer.
inline constexpr std::uint64_t kMostWalObjectBytes = kGiB + 64 * kMiB;

/// A WAL file on its way into a repository, read in pieces: a segment may have 1 GiB.
struct WalContent {
  std::uint64_t size_bytes = 0;
  /// Fills `out`.
  std::function<void(std::uint64_t offset_bytes, MutableBytes out)> read;
};
/// Of bytes that outlive it.
WalContent wal_content(Bytes bytes);

/// How a repository is to be sealed, and unlocked.
struct KeySettings {
  /// Nothing is written into a repository that is not sealed.
  bool required = false;
  /// Gets the secret that was configured, when it is needed; empty: there is none.
  std::function<KeySecret()> secret;
  /// Where unwrapped keys are kept for the next run; empty: nowhere.
  std::filesystem::path cache;
};

/// A repository: what keys and bytes mean. Holds a driver; knows one format version.
class Repository {
 public:
  /// `name` is the operator's word for it ("local").
  /// A lease that is held sets `fence`, which `driver` asks where it is wrapped so.
  Repository(std::string name, std::unique_ptr<storage::Driver> driver, KeySettings keys = {},
             std::shared_ptr<storage::Fence> fence = std::make_shared<storage::Fence>());

  const std::string& name() const { return name_; }
  storage::Driver& driver() { return *driver_; }
  storage::Fence& fence() { return *fence_; }

  /// Reads pgcairn.json, and unlocks what is sealed. Throws MissingError when there is no
  /// repository, Error when its format version is a later one, KeyError when no key opens it,
  /// UsageError when it is not sealed and has to be.
  void open();
  /// Creates pgcairn.json, and the first key slot of a sealed one, unless they are there; true when
  /// pgcairn.json was made. It is open then. Nothing is written where something is already, even
  /// when the store would overwrite it, and a new one only in a store that passes prove_store().
  /// Throws ConflictError when another run made another one at the same time, DamagedError when
  /// there are parts of one and no pgcairn.json.
  bool create();
  /// Proves that the store does what the protocol relies on (storage/proof.hpp), or throws Error.
  void prove_store();
  /// Reads pgcairn.json and no more, for what is done to keys; true when the repository is sealed.
  bool identify();
  const std::string& id() const { return seal_context_.repository_id(); }
  /// Throws Error when another repository has taken this one's place since it was opened: what was
  /// stored for this one, nobody can read there. Costs a request where none is remembered.
  void require_unchanged();
  /// What its objects are read and written with.
  const SealContext& seal_context() const { return seal_context_; }

  std::vector<std::string> stanzas();

  // Clusters of a stanza.
  std::vector<Cluster> clusters(const std::string& stanza);
  /// True when it was made; false when it was there.
  bool add_cluster(const std::string& stanza, const Cluster& cluster);
  bool has_cluster(const std::string& stanza, const Cluster& cluster);

  // Backups: the markers are the catalog.
  std::vector<std::string> backup_labels(const std::string& stanza);
  /// Nothing when there is certainly no such backup: what was listed may be removed meanwhile.
  std::optional<BackupMarker> find_backup(const std::string& stanza, const std::string& label);
  /// Throws MissingError naming the label when there is no such backup.
  BackupMarker read_marker(const std::string& stanza, const std::string& label);
  /// All, oldest first. A damaged marker is passed to `damaged` and left out; without that, thrown.
  std::vector<BackupMarker> backups(const std::string& stanza,
                                    const std::function<void(const DamagedError&)>& damaged = {});
  void write_marker(const std::string& stanza, const BackupMarker& info);

  // WAL: one object a file of pg_wal.
  /// True when stored now, false when the same bytes were there. Throws ConflictError when other
  /// bytes stand under the name, and DamagedError with the way out when an object does that this
  /// repository cannot read. When another repository has taken this one's place meanwhile, throws
  /// as require_unchanged() does, and leaves nothing there.
  bool put_wal(const std::string& stanza, const Cluster& cluster, const std::string& file,
               const WalContent& content, compress::Codec& codec);
  /// Opens the object and gives its pieces in order; false when there is certainly none. Throws
  /// DamagedError naming object and offset.
  bool get_wal(const std::string& stanza, const Cluster& cluster, const std::string& file,
               const std::function<void(Bytes)>& sink);
  bool has_wal(const std::string& stanza, const Cluster& cluster, const std::string& file);

 private:
  DataKey unlock();
  bool write_identity();
  /// The id of the repository that has taken this one's place; empty: there is none any more.
  std::optional<std::string> replaced_by();
  [[noreturn]] void refuse_replaced(const std::string& other) const;
  void require_kept(const std::string& key);

  std::string name_;
  std::unique_ptr<storage::Driver> driver_;
  std::shared_ptr<storage::Fence> fence_;
  KeySettings keys_;
  SealContext seal_context_{""};
};

}  // namespace pgcairn::repo
