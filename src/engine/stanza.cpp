#include "cluster.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/stanza.hpp>
#include <pgcairn/repo/layout.hpp>

namespace pgcairn::engine {

std::vector<CreatedStanza> create_stanza(const StanzaSettings& stanza,
                                         std::span<repo::Repository> repositories) {
  repo::check_stanza_name(stanza.name);
  const repo::Cluster cluster = local_cluster(stanza);
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

}  // namespace pgcairn::engine
