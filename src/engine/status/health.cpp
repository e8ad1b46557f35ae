#include "status/read_markers.hpp"
#include "status/recent_wal.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/status/health.hpp>
#include <pgcairn/postgres/server.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

std::optional<Space> space_of(const fs::path& directory) {
  std::error_code error;
  const fs::space_info space = fs::space(directory, error);
  if (error) return std::nullopt;
  return Space{space.capacity, space.available};
}

std::string text_of(const postgres::Row& row, std::size_t column) {
  return row.size() > column && row[column] ? *row[column] : "";
}

void read_archiver(postgres::Connection& connection, ServerFacts& server) {
  const auto rows = connection.query(
      "SELECT archived_count, failed_count,"
      " CASE WHEN last_failed_time > coalesce(last_archived_time, '-infinity')"
      " THEN last_failed_wal END FROM pg_stat_archiver");
  if (rows.empty()) throw PostgresError("the server's answer for pg_stat_archiver is empty");
  server.archived_count = parse_u64(text_of(rows[0], 0)).value_or(0);
  server.failed_count = parse_u64(text_of(rows[0], 1)).value_or(0);
  server.failing = text_of(rows[0], 2);
}

/// One session with the server, which is asked before and after the repositories are read.
class ServerReader {
 public:
  ServerReader(const StanzaSettings& stanza, const std::stop_token& stop) {
    asking([&] {
      connection_.emplace(stanza.connection, stop);
      server_ = postgres::read_server_info(*connection_);
      facts_.system_id = server_.system_id;
      facts_.pg_version = server_.major;
      facts_.in_recovery = server_.in_recovery;
      facts_.wal_segment_bytes = server_.wal_segment_bytes;
      facts_.archives = postgres::archives(server_);
      facts_.current = postgres::current_wal_lsn(*connection_, server_);
      if (!facts_.in_recovery) facts_.timeline = postgres::current_timeline(*connection_);
      read_archiver(*connection_, facts_);
    });
  }

  const ServerFacts& facts() const { return facts_; }

  /// Nothing of its timeline that was in a repository until now is later than this.
  void ask_again() {
    if (facts_.timeline == 0 || !facts_.error.empty()) return;
    asking([&] { facts_.current_after = postgres::current_wal_lsn(*connection_, server_); });
  }

 private:
  template <class Questions>
  void asking(Questions questions) {
    try {
      questions();
    } catch (const Error& error) {
      facts_.error = error.message();
    }
  }

  std::optional<postgres::Connection> connection_;
  postgres::ServerInfo server_;
  ServerFacts facts_;
};

class RepositoryReader {
 public:
  RepositoryReader(std::string stanza, repo::Repository& repository, const ServerFacts& server,
                   std::stop_token stop)
      : stanza_(std::move(stanza)),
        repository_(repository),
        server_(server),
        stop_(std::move(stop)) {
    facts_.name = repository.name();
  }

  RepositoryFacts read() {
    try {
      repository_.open();
      if (repository_.clusters(stanza_).empty()) {
        throw MissingError(
            format("stanza \"{}\" is not in repository \"{}\"", stanza_, repository_.name()));
      }
      read_backups();
      const auto unreadable = [&](const DamagedError& error) {
        facts_.unreadable.push_back(error.message());
      };
      facts_.record_state.emplace(repo::read_records(repository_, stanza_, {}, unreadable), now());
      read_archive();
      if (const auto rules = repository_.driver().harmful_rules()) facts_.harmful_rules = *rules;
      try {
        facts_.lease = repo::read_lease(repository_, stanza_);
      } catch (const DamagedError& error) {
        unreadable(error);
      }
    } catch (const Error& error) {
      facts_.error = error.message();
    }
    return std::move(facts_);
  }

 private:
  void read_backups() {
    std::vector<std::string> labels = repository_.backup_labels(stanza_);
    std::sort(labels.begin(), labels.end(), [](const std::string& a, const std::string& b) {
      return repo::label_time(a) < repo::label_time(b);
    });
    facts_.labels = labels;
    if (labels.empty()) return;
    facts_.oldest_backup = repo::oldest_backup(labels);
    if (labels.size() > kBackupsLookedAt)
      labels.erase(labels.begin(), labels.end() - kBackupsLookedAt);
    std::map<std::string, std::string> unreadable;
    read_markers(repository_, stanza_, labels, stop_, facts_.newest, unreadable);
    for (const auto& [label, why] : unreadable) facts_.unreadable.push_back(why);
  }

  /// The outlook by the WAL of the newest backup's cluster, and the newest segment of the server's,
  /// which is another one after an upgrade.
  void read_archive() {
    repo::Cluster of_backups{server_.system_id, server_.pg_version};
    if (!facts_.newest.empty())
      of_backups = {facts_.newest.back().system_id, facts_.newest.back().pg_version};
    if (of_backups.system_id == 0) return;
    const repo::RecordState* const record_state =
        facts_.record_state ? &*facts_.record_state : nullptr;
    RecentWal recent = read_recent_wal(repository_, stanza_, of_backups,
                                       first_needed(facts_.newest, record_state));
    facts_.unreadable.insert(facts_.unreadable.end(), recent.unreadable.begin(),
                             recent.unreadable.end());
    facts_.outlook = outlook_of(facts_.newest, record_state, recent.wal, recent.looked_from);
    const repo::Cluster of_server{server_.system_id, server_.pg_version};
    if (server_.error.empty() && of_server != of_backups)
      recent = read_recent_wal(repository_, stanza_, of_server, {});
    // Newer timelines than the server's are others' lives.
    const std::string limit = format("{:08X}", server_.timeline + 1);
    for (auto segment = recent.wal.segments.rbegin(); segment != recent.wal.segments.rend();
         ++segment) {
      if (server_.timeline != 0 && segment->first >= limit) continue;
      facts_.wal_last = segment->first;
      facts_.wal_time = segment->second;
      return;
    }
  }

  std::string stanza_;
  repo::Repository& repository_;
  const ServerFacts& server_;
  std::stop_token stop_;
  RepositoryFacts facts_;
};

}  // namespace

HealthFacts read_health(const StanzaSettings& stanza, std::span<repo::Repository> repositories,
                        std::span<const fs::path> directories, std::stop_token stop) {
  PGCAIRN_ASSERT(directories.size() == repositories.size());
  HealthFacts facts;
  facts.stanza = stanza.name;
  facts.when = now();
  ServerReader server(stanza, stop);
  const std::string& host = stanza.connection.host;
  facts.server_here = host.empty() || host.starts_with('/');
  if (facts.server_here) facts.pg_wal_space = space_of(stanza.data_directory / "pg_wal");
  for (std::size_t i = 0; i < repositories.size(); ++i) {
    RepositoryFacts one =
        RepositoryReader(stanza.name, repositories[i], server.facts(), stop).read();
    one.directory = directories[i];
    if (!one.directory.empty()) one.space = space_of(one.directory);
    facts.repositories.push_back(std::move(one));
  }
  server.ask_again();
  facts.server = server.facts();
  return facts;
}

}  // namespace pgcairn::engine
