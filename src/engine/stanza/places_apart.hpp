#pragma once

#include <pgcairn/engine/stanza/named_place.hpp>
#include <pgcairn/engine/stanza/stanza.hpp>

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

/// The same for each of `places` and each of `others`; `places` may lie in each other.
void require_lists_apart(const std::vector<NamedPlace>& places,
                         const std::vector<NamedPlace>& others);

/// The cluster as it is on this host: its data directory, the whole locations of its tablespaces,
/// and directories that links at the top of the data directory lead to.
std::vector<NamedPlace> places_of_cluster(const std::filesystem::path& data_directory);

/// All that the configuration names beside the cluster must be apart from each other and from what
/// backups copy. How the cluster's own places lie to each other is PostgreSQL's affair.
void require_stanza_apart(const StanzaSettings& stanza);

}  // namespace pgcairn::engine
