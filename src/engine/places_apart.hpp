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
/// overlap and must not. Legal are a tablespace in a data directory (PostgreSQL only warns), what
/// is beside a tablespace's own directory of a version, and all that the directory for this host's
/// state holds.
void require_apart(const std::vector<NamedPlace>& places,
                   const std::vector<NamedPlace>& others = {});

/// The cluster as it is on this host: its data directory, tablespaces, and what links at the top
/// of the data directory lead to.
std::vector<NamedPlace> places_of_cluster(const std::filesystem::path& data_directory);

/// Where a restore puts the cluster.
std::vector<NamedPlace> places_of_restore(const RestorePlan& plan);

/// The cluster of the stanza and all that the configuration names beside it must be apart.
void require_stanza_apart(const StanzaSettings& stanza);

}  // namespace pgcairn::engine
