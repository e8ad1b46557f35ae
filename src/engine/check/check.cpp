#include "check/archiving.hpp"
#include "stanza/cluster_identity.hpp"
#include "stanza/no_checksums.hpp"
#include "stanza/places_apart.hpp"
#include "wal/own_wal.hpp"
#include "wal/store.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/check/check.hpp>
#include <pgcairn/engine/stanza/stop.hpp>
#include <pgcairn/postgres/server.hpp>
#include <pgcairn/postgres/wal_records.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr milliseconds kFirstPause{10};
constexpr milliseconds kLongestPause{500};

std::string text_of(const std::vector<postgres::Row>& rows, std::size_t column = 0) {
  return !rows.empty() && rows[0].size() > column && rows[0][column] ? *rows[0][column] : "";
}

struct Switched {
  std::string segment;  // that was ended
  Lsn point;            // end of the restore point, in it or before
};

/// Ends the segment that is being written, with a restore point of that name.
Switched switch_segment(postgres::Connection& connection, const postgres::ServerInfo& server,
                        const std::string& restore_point) {
  return doing(
      [] { return "writing a restore point and switching WAL"; },
      [&] {
        const auto point = parse_lsn(
            text_of(connection.query("SELECT pg_create_restore_point($1)", {restore_point})));
        const auto rows = connection.query(
            "SELECT pg_switch_wal(), pg_walfile_name(pg_current_wal_insert_lsn())");
        const auto end = parse_lsn(text_of(rows));
        const auto now_in = parse_wal_segment_name(text_of(rows, 1), server.wal_segment_bytes);
        if (!point || !end || !now_in)
          throw PostgresError("the server's answer has an unknown format");
        return Switched{
            wal_segment_name(segment_before(*end, now_in->timeline, server.wal_segment_bytes),
                             server.wal_segment_bytes),
            *point};
      });
}

/// The last segment that the primary has certainly ended: the one before the restartpoint's.
std::string restartpoint_segment(postgres::Connection& connection,
                                 const postgres::ServerInfo& server) {
  const auto rows = connection.query("SELECT redo_lsn, timeline_id FROM pg_control_checkpoint()");
  const auto redo = parse_lsn(text_of(rows));
  const auto timeline = parse_u64(text_of(rows, 1));
  if (!redo || !timeline) throw PostgresError("the server's answer has an unknown format");
  WalSegment segment =
      segment_of(*redo, static_cast<Timeline>(*timeline), server.wal_segment_bytes);
  if (segment.number > 1) --segment.number;
  return wal_segment_name(segment, server.wal_segment_bytes);
}

/// Is the restore point of that name, which ends at `end`, in the archive? It may begin in the
/// segment before.
bool has_restore_point(repo::Repository& repository, const std::string& stanza,
                       const repo::Cluster& cluster, const std::string& name, Timeline timeline,
                       Lsn end, std::uint64_t segment_bytes) {
  const repo::StanzaView archive(repository, stanza);
  constexpr std::uint64_t kMostBytes = 256;  // of the record, with the header of a page
  bool found = false;
  postgres::WalRecordReader reader([&](const postgres::WalRecord& record) {
    found |= record.kind == postgres::WalRecord::Kind::restore_point && record.name == name;
  });
  WalSegment segment =
      segment_of({end.value - std::min(end.value, kMostBytes)}, timeline, segment_bytes);
  const WalSegment last = segment_before(end, timeline, segment_bytes);
  for (; segment.number <= last.number; ++segment.number) {
    const auto content = archive.read_wal(cluster, wal_segment_name(segment, segment_bytes));
    if (content) reader.read(*content, Lsn{segment.number * segment_bytes});
  }
  return found;
}

/// Holds what is archived against what the server wrote: a name tells neither that the segment has
/// arrived nor, when it has not, why the archiver is refused.
void require_own_content(CheckResult& result, const StanzaSettings& stanza,
                         std::span<repo::Repository> repositories, const repo::Cluster& cluster,
                         const std::string& restore_point, Lsn point,
                         postgres::Connection& connection, const postgres::ServerInfo& server,
                         const std::stop_token& stop) {
  const auto ended = parse_wal_segment_name(result.segment, server.wal_segment_bytes);
  for (std::size_t i = 0; i < repositories.size(); ++i) {
    repo::Repository& repository = repositories[i];
    if (!result.repositories[i].reached) continue;
    const bool arrived = result.repositories[i].error.empty();
    try {
      require_own_archive(stanza, repository, cluster, connection, server);
      if (!arrived) continue;
      if (restore_point.empty())
        require_own_wal(stanza, repository, cluster, {result.segment}, server.wal_segment_bytes, {},
                        stop);
      else if (!has_restore_point(repository, stanza.name, cluster, restore_point, ended->timeline,
                                  point, server.wal_segment_bytes))
        throw of_another_life(repository, result.segment);
    } catch (const Error& error) {
      result.repositories[i].error = error.render();
    }
  }
}

/// Does something with one repository. Where there are others, its failure is its own: they are
/// looked at all the same.
template <class Action>
void reach(CheckResult& result, std::span<repo::Repository> repositories, std::size_t which,
           Action action) {
  CheckedRepository& checked = result.repositories[which];
  try {
    action(repositories[which]);
  } catch (const Error& error) {
    if (repositories.size() == 1) throw;
    checked.reached = false;
    checked.error = error.render();
  }
}

/// What would take objects from a repository.
void warn_of_rules(CheckResult& result, repo::Repository& repository) {
  const auto rules = repository.driver().harmful_rules();
  if (!rules) return;
  for (const storage::StoreRule& rule : *rules) {
    result.warnings.push_back(
        format("repository \"{}\": rule \"{}\" of the bucket's lifecycle {}. pgcairn.json and the "
               "packs of full backups are needed however old they are: remove the rule, or give it "
               "another prefix",
               repository.name(), rule.name, rule.effect));
  }
}

void wait_for_segment(CheckResult& result, const StanzaSettings& stanza,
                      std::span<repo::Repository> repositories, const repo::Cluster& cluster,
                      milliseconds timeout, std::stop_token stop) {
  const Timestamp start = now();
  milliseconds pause = kFirstPause;
  std::vector<bool> there(repositories.size());
  for (;;) {
    const auto waited = std::chrono::duration_cast<milliseconds>(now() - start);
    for (std::size_t i = 0; i < repositories.size(); ++i) {
      if (there[i] || !result.repositories[i].reached) continue;
      reach(result, repositories, i, [&](repo::Repository& repository) {
        there[i] = repository.has_wal(stanza.name, cluster, result.segment);
        result.repositories[i].waited = waited;
        result.repositories[i].error = there[i] ? "" : "waiting";
      });
    }
    const bool all =
        std::all_of(result.repositories.begin(), result.repositories.end(),
                    [](const CheckedRepository& one) { return !one.reached || one.error.empty(); });
    if (all || waited >= timeout) return;
    sleep_for(pause, stop);
    pause = std::min(pause * 2, kLongestPause);
  }
}

/// What is odd about the server's settings is why a segment is absent, or else a warning.
void explain_absence(CheckResult& result, postgres::Connection& connection,
                     const postgres::ServerInfo& server, const StanzaSettings& stanza,
                     std::span<const std::filesystem::path> state_paths) {
  const std::vector<std::string> doubts = archiving_doubts(stanza, server);
  if (result.ok()) {
    result.warnings.insert(result.warnings.end(), doubts.begin(), doubts.end());
    return;
  }
  const std::string why = why_not_archived(connection, server, stanza, doubts, state_paths);
  for (CheckedRepository& repository : result.repositories) {
    if (repository.error.empty() || !repository.reached) continue;
    repository.error = format("WAL segment {} did not reach repository \"{}\"{}", result.segment,
                              repository.name, why);
  }
}

}  // namespace

bool CheckResult::ok() const {
  return std::all_of(repositories.begin(), repositories.end(),
                     [](const CheckedRepository& one) { return one.error.empty(); });
}

CheckResult check_stanza(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                         const CheckOptions& options, Progress& progress, std::stop_token stop) {
  return doing([&] { return format("checking stanza \"{}\"", stanza.name); },
               [&] {
                 CheckResult result;
                 const repo::Cluster cluster = local_cluster(stanza);
                 require_stanza_apart(stanza);
                 for (const repo::Repository& repository : repositories)
                   result.repositories.push_back({repository.name(), "waiting"});
                 for (std::size_t i = 0; i < repositories.size(); ++i) {
                   reach(result, repositories, i, [&](repo::Repository& repository) {
                     repository.open();
                     require_cluster(repository, stanza, cluster);
                     refuse_when_stopped(repository, stanza.name);
                     warn_of_rules(result, repository);
                   });
                 }
                 postgres::Connection connection(stanza.connection, stop);
                 const postgres::ServerInfo server = postgres::read_server_info(connection);
                 require_same_cluster(stanza, server, cluster.system_id,
                                      "set pg-path to the server's data_directory, in the "
                                      "stanza's section of the configuration");
                 result.pg_version = server.version_number;
                 result.system_id = server.system_id;
                 result.standby = server.in_recovery;
                 if (!server.data_checksums) result.notes.emplace_back(kNoChecksums);
                 // A standby's host may have credentials that only read.
                 if (!server.in_recovery) {
                   for (std::size_t i = 0; i < repositories.size(); ++i) {
                     if (!result.repositories[i].reached) continue;
                     reach(result, repositories, i,
                           [](repo::Repository& repository) { repository.prove_store(); });
                   }
                 }
                 require_archiving(stanza, server);
                 if (server.in_recovery && server.archive_mode == "on")
                   result.warnings.push_back(kArchivesAfterPromotion);
                 const std::string point =
                     server.in_recovery ? "" : "pgcairn check " + random_id().substr(0, 16);
                 const Switched switched =
                     server.in_recovery ? Switched{restartpoint_segment(connection, server), {}}
                                        : switch_segment(connection, server, point);
                 result.segment = switched.segment;
                 progress.phase(format("waiting for {}", result.segment), 0);
                 wait_for_segment(result, stanza, repositories, cluster, options.timeout, stop);
                 explain_absence(result, connection, server, stanza, options.state_paths);
                 require_own_content(result, stanza, repositories, cluster, point, switched.point,
                                     connection, server, stop);
                 return result;
               });
}

}  // namespace pgcairn::engine
