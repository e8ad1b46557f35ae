#include "stanza/cluster_identity.hpp"
#include "stanza/missing_stanza.hpp"
#include "stanza/places_apart.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/stanza/stanza.hpp>
#include <pgcairn/engine/stanza/stop.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>
#include <pgcairn/repo/records.hpp>

#include <algorithm>
#include <memory>
#include <utility>

namespace pgcairn::engine {

namespace {

// As many as the object stores remove with one request.
constexpr std::size_t kRemovedAtOnce = 1000;

/// A stanza goes with the word that it exists: what is interrupted is not a stanza any more, and
/// nothing is archived into it. Markers before packs, as ever.
std::vector<std::string> all_prefixes(const std::string& stanza) {
  return {repo::cluster_prefix(stanza), repo::marker_prefix(stanza),
          repo::backups_data_prefix(stanza), repo::stanza_prefix(stanza),
          repo::record_prefix(stanza)};
}

UpgradedStanza upgrade_in(repo::Repository& repository, const StanzaSettings& stanza,
                          const repo::Cluster& cluster, bool force) {
  repository.open();
  const auto known = repository.clusters(stanza.name);
  if (known.empty()) require_cluster(repository, stanza, cluster);  // throws: there is no stanza
  UpgradedStanza result{repository.name(), repo::cluster_id(cluster), {}, false};
  int newest = 0;
  for (const repo::Cluster& one : known) {
    newest = std::max(newest, one.pg_version);
    result.before.push_back(repo::cluster_id(one));
  }
  if (std::find(known.begin(), known.end(), cluster) != known.end()) return result;
  refuse_when_stopped(repository, stanza.name);
  if (cluster.pg_version <= newest && !force) {
    throw PostgresError(
        format("the cluster in \"{}\" is {}, and stanza \"{}\" in repository \"{}\" has one of "
               "PostgreSQL {} already: this is not an upgrade of it",
               stanza.data_directory.native(), result.cluster, stanza.name, repository.name(),
               newest),
        "give another cluster another stanza; when this one replaces the other (it was created "
        "again, or restored from a dump), add --force");
  }
  result.added = repository.add_cluster(stanza.name, cluster);
  return result;
}

std::vector<std::string> held_of(repo::Repository& repository, const std::string& stanza,
                                 const std::vector<std::string>& labels) {
  const repo::RecordState record_state(repo::read_records(repository, stanza, {"hold", "release"}),
                                       now());
  std::vector<std::string> held;
  for (const std::string& label : labels) {
    if (!record_state.holds(label).empty()) held.push_back(label);
  }
  return held;
}

StanzaContent content_of(repo::Repository& repository, const std::string& stanza) {
  StanzaContent content;
  content.repository = repository.name();
  for (const std::string& prefix :
       {repo::cluster_prefix(stanza), repo::stanza_prefix(stanza), repo::record_prefix(stanza)}) {
    repository.driver().list(prefix, [&](const storage::Object& object) {
      ++content.objects;
      content.bytes += object.size_bytes;
      if (object.key.starts_with(repo::all_wal_prefix(stanza))) ++content.wal_files;
    });
  }
  content.backups = repository.backup_labels(stanza);
  content.held = held_of(repository, stanza, content.backups);
  return content;
}

/// To be asked by the holder of the lease: from then on `hold` promises nothing, and what it
/// promised before is seen.
void refuse_when_held(repo::Repository& repository, const std::string& stanza) {
  const auto held = held_of(repository, stanza, repository.backup_labels(stanza));
  if (held.empty()) return;
  throw LockedError(format("backup {} of stanza \"{}\" in repository \"{}\" is held", held.front(),
                           stanza, repository.name()),
                    "\"pgcairn info\" shows why; unhold it first");
}

/// In batches, each only while the lease is ours.
void remove_below(repo::Repository& repository, const std::string& prefix, repo::Lease& lease,
                  const std::stop_token& stop) {
  std::vector<std::string> keys;
  const auto remove = [&] {
    if (keys.empty()) return;
    check_stop(stop);
    lease.check();
    repository.driver().remove(keys);
    keys.clear();
  };
  repository.driver().list(prefix, [&](const storage::Object& object) {
    keys.push_back(object.key);
    if (keys.size() == kRemovedAtOnce) remove();
  });
  remove();
}

}  // namespace

std::vector<CreatedStanza> create_stanza(const StanzaSettings& stanza,
                                         std::span<repo::Repository> repositories) {
  repo::check_stanza_name(stanza.name);
  const repo::Cluster cluster = local_cluster(stanza);
  require_stanza_apart(stanza);
  std::vector<CreatedStanza> results;
  for (repo::Repository& repository : repositories) {
    doing(
        [&] {
          return format("creating stanza \"{}\" in repository \"{}\"", stanza.name,
                        repository.name());
        },
        [&] {
          CreatedStanza result{repository.name(), repo::cluster_id(cluster)};
          result.created_repository = repository.create();
          // A stanza that exists is another cluster's until it is this one's: a later version of
          // the same cluster comes in by a command of its own.
          if (!repository.clusters(stanza.name).empty()) {
            require_cluster(repository, stanza, cluster);
          } else {
            result.created_stanza = repository.add_cluster(stanza.name, cluster);
          }
          results.push_back(result);
        });
  }
  return results;
}

std::vector<UpgradedStanza> upgrade_stanza(const StanzaSettings& stanza,
                                           std::span<repo::Repository> repositories, bool force) {
  const repo::Cluster cluster = local_cluster(stanza);
  std::vector<UpgradedStanza> results;
  for (repo::Repository& repository : repositories)
    results.push_back(upgrade_in(repository, stanza, cluster, force));
  return results;
}

std::vector<StanzaContent> read_stanza_content(const std::string& stanza,
                                               std::span<repo::Repository> repositories) {
  std::vector<StanzaContent> contents;
  for (repo::Repository& repository : repositories) {
    repository.open();
    StanzaContent content = content_of(repository, stanza);
    if (content.objects > 0) contents.push_back(std::move(content));
  }
  if (contents.empty()) {
    std::optional<std::string> near;
    for (repo::Repository& repository : repositories)
      if (!near) near = nearest_stanza(repository, stanza);
    throw MissingError(
        format("there is no stanza \"{}\" in any repository", stanza),
        near ? format("did you mean \"{}\"?", *near) : "\"pgcairn info\" lists the stanzas");
  }
  return contents;
}

void delete_stanza(const std::string& stanza, std::span<repo::Repository> repositories,
                   std::stop_token stop) {
  std::vector<std::pair<repo::Repository*, std::unique_ptr<repo::Lease>>> ours;
  for (repo::Repository& repository : repositories) {
    repository.open();
    if (content_of(repository, stanza).objects == 0) continue;
    ours.emplace_back(&repository,
                      std::make_unique<repo::Lease>(repository, stanza, "stanza-delete", stop));
    refuse_when_held(repository, stanza);
  }
  for (const auto& [repository, lease] : ours) {
    for (const std::string& prefix : all_prefixes(stanza))
      remove_below(*repository, prefix, *lease, stop);
  }
}

}  // namespace pgcairn::engine
