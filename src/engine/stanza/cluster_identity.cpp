#include "stanza/cluster_identity.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <utility>

namespace pgcairn::engine {

postgres::ControlFile local_control(const StanzaSettings& stanza) {
  if (stanza.data_directory.empty()) {
    throw UsageError(
        format("stanza \"{}\" has no pg-path", stanza.name),
        format("set pg-path in [stanza.{}] to the cluster's data directory", stanza.name));
  }
  if (!stat_if_exists(stanza.data_directory / "global/pg_control")) {
    throw PostgresError(
        format("\"{}\" is not a data directory of PostgreSQL: it has no global/pg_control",
               stanza.data_directory.native()),
        format("check pg-path of stanza \"{}\"", stanza.name));
  }
  return postgres::read_control_file(stanza.data_directory);
}

repo::Cluster local_cluster(const StanzaSettings& stanza) {
  const postgres::ControlFile control = local_control(stanza);
  return {control.system_id, control.major};
}

void require_cluster(repo::Repository& repository, const StanzaSettings& stanza,
                     const repo::Cluster& cluster) {
  if (repository.has_cluster(stanza.name, cluster)) return;
  const auto known = repository.clusters(stanza.name);
  if (known.empty()) {
    throw MissingError(
        format("there is no stanza \"{}\" in repository \"{}\"", stanza.name, repository.name()),
        format("create it with \"pgcairn --stanza={} stanza-create\"", stanza.name));
  }
  std::string list;
  int newest = 0;
  for (const repo::Cluster& one : known) {
    list += format("{}{}", list.empty() ? "" : ", ", repo::cluster_id(one));
    newest = std::max(newest, one.pg_version);
  }
  throw PostgresError(
      format("cluster {} in \"{}\" is not a cluster of stanza \"{}\" in repository "
             "\"{}\", which belongs to {}",
             repo::cluster_id(cluster), stanza.data_directory.native(), stanza.name,
             repository.name(), list),
      cluster.pg_version > newest
          ? format("after pg_upgrade run \"pgcairn --stanza={} stanza-upgrade\"", stanza.name)
          : "use another stanza for another cluster; identities read <major "
            "version>-<system identifier>");
}

void require_same_cluster(const StanzaSettings& stanza, const postgres::ServerInfo& server,
                          SystemId local, std::string hint) {
  if (server.system_id != local) {
    throw PostgresError(format("the server has system identifier {}, \"{}\" has {}",
                               server.system_id, stanza.data_directory.native(), local),
                        "pg-path and the connection (pg-host, pg-port, pg-socket-path) must name "
                        "the same cluster");
  }
  std::error_code ignored;
  if (!fs::equivalent(server.data_directory, stanza.data_directory, ignored)) {
    throw PostgresError(format("the server's data directory is \"{}\", pg-path is \"{}\"",
                               server.data_directory.native(), stanza.data_directory.native()),
                        std::move(hint));
  }
}

}  // namespace pgcairn::engine
