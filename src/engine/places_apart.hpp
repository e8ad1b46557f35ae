#pragma once

#include <pgcairn/engine/named_place.hpp>
#include <pgcairn/engine/restore.hpp>
#include <pgcairn/engine/stanza.hpp>

#include <filesystem>
#include <vector>

namespace pgcairn::engine {

/// Is `path` the directory, or below it? Whatever links and mounts lead to either; neither needs to
/// exist.
bool is_within(const std::filesystem::path& path, const std::filesystem::path& directory);

/// The path without links, also where its end is not there yet. Throws nothing: what may not be
/// looked at stays as it is written.
std::filesystem::path real_path(const std::filesystem::path& path);

/// Throws UsageError naming the first two of `places`, or one of them and one of `others`, that
/// overlap and must not. Legal are a tablespace in a data directory (PostgreSQL only warns), and
/// all that the directory for this host's state holds.
void require_apart(const std::vector<NamedPlace>& places,
                   const std::vector<NamedPlace>& others = {});

/// The cluster as it is on this host: its data directory, the whole locations of its tablespaces,
/// and directories that links at the top of the data directory lead to.
std::vector<NamedPlace> places_of_cluster(const std::filesystem::path& data_directory);

/// Where a restore puts the cluster. Of a tablespace's location that is the directory of its
/// version: what is beside it may be anything.
std::vector<NamedPlace> places_of_restore(const RestorePlan& plan);

/// A copy keeps away from all that its original has on this host: its data directory, what links in
/// it lead to now, and the whole locations of its tablespaces, unless it takes the original's
/// place.
void require_apart_from_original(const RestorePlan& plan);

/// All that the configuration names beside the cluster must be apart from each other and from what
/// backups copy. How the cluster's own places lie to each other is PostgreSQL's affair.
void require_stanza_apart(const StanzaSettings& stanza);

}  // namespace pgcairn::engine
