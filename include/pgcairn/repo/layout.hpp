#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgcairn::repo {

// The keys of pgcairn-repository(5), KEYS. Nothing else in the program spells a key.

inline constexpr std::string_view kRepositoryKey = "pgcairn.json";
/// What a store is tried with; its content means nothing.
inline constexpr std::string_view kProofKey = "pgcairn.proof";
/// Clusters of all stanzas: what is below it tells which stanzas there are.
inline constexpr std::string_view kClustersPrefix = "cluster/";
inline constexpr std::string_view kSlotsPrefix = "key/";

// Each function that takes a stanza throws UsageError for what is not the name of one, so that no
// key of a stanza is ever one of the repository itself.

/// Below it is all that is a stanza's alone, but for its clusters, leases and records.
std::string stanza_prefix(std::string_view stanza);
std::string cluster_prefix(std::string_view stanza);
std::string cluster_key(std::string_view stanza, std::string_view cluster);
std::string marker_prefix(std::string_view stanza);
std::string marker_key(std::string_view stanza, std::string_view label);
/// Below it is a folder for each backup that has stored something, listed or not.
std::string backups_data_prefix(std::string_view stanza);
std::string data_prefix(std::string_view stanza, std::string_view label);
std::string manifest_key(std::string_view stanza, std::string_view label, std::uint32_t part);
std::string manifest_prefix(std::string_view stanza, std::string_view label);
std::string pack_prefix(std::string_view stanza, std::string_view label);
std::string pack_key(std::string_view stanza, std::string_view label, std::uint32_t pack);
/// Of the WAL of all clusters.
std::string all_wal_prefix(std::string_view stanza);
std::string wal_prefix(std::string_view stanza, std::string_view cluster);
std::string wal_key(std::string_view stanza, std::string_view cluster, std::string_view file);
/// The folder of a segment's key: the digits of its timeline and of the upper half of its LSN.
std::string_view wal_folder(std::string_view file);
/// Below it is what is in a folder; of the first digits only, in all folders that begin so.
std::string wal_folder_prefix(std::string_view stanza, std::string_view cluster,
                              std::string_view folder);
/// The name that the file of a key of WAL has in pg_wal.
std::string_view wal_file(std::string_view key);
std::string lease_prefix(std::string_view stanza);
std::string lease_key(std::string_view stanza, std::uint32_t number);
/// "key/00000000.json": pgcairn-repository(5), KEY SLOTS.
std::string slot_key(std::uint32_t number);
std::string record_prefix(std::string_view stanza);
std::string record_key(std::string_view stanza, std::string_view name);

/// Whether a key, or the beginning of one, is about the repository and its stanzas instead of
/// holding backups or WAL: what archive-push and archive-get look at each time before they do their
/// work.
bool tells_of_repository(std::string_view key);

/// Leases: what removes anything needs one first, even where the file system is full.
bool is_lease(std::string_view key);

/// Small objects on which others rely in time: leases, records, markers and the like. They do not
/// wait where the rate is limited.
bool is_document(std::string_view key);
/// What only the holder of a lease may do: write a marker, and remove anything but leases.
bool needs_lease(std::string_view operation, std::string_view key);

/// The name of a document below `prefix` without ".json".
std::string document_name(std::string_view key, std::string_view prefix);

enum class ObjectKind { document, manifest, pack, wal };

/// What a key says of the object under it.
struct ObjectKey {
  ObjectKind kind = ObjectKind::document;
  std::string stanza;        // these are empty for a document
  std::string owner;         // the backup's label; the cluster's id for WAL
  std::uint32_t number = 0;  // of a manifest's part or a pack
  std::string file;          // of WAL
};
/// Nothing for a key that the format does not know.
std::optional<ObjectKey> parse_key(std::string_view key);

/// Whether a stanza may be called so: a folder of that name is none of the repository's own.
bool is_stanza_name(std::string_view name);
/// Throws UsageError unless it may. `origin` is the message's beginning: "option --stanza:".
void check_stanza_name(std::string_view stanza, std::string_view origin = {});

}  // namespace pgcairn::repo
