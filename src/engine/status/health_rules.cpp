#include "status/health_measure.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/status/health.hpp>
#include <pgcairn/engine/wal/branch.hpp>

#include <algorithm>
#include <iterator>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kLeastLikeBackups = 4;
// Below it, sizes jump for no reason: an incremental backup of a quiet night.
constexpr double kSmallBytes = kMiB;
double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// A segment is archived when the server has written all of it.
bool archive_is_ahead(const RepositoryFacts& repository, const ServerFacts& server) {
  const auto last = parse_wal_segment_name(repository.wal_last, server.wal_segment_bytes);
  return last && last->timeline == server.timeline &&
         last->number >= server.current_after.value / server.wal_segment_bytes;
}

/// How many times the one is the other, whichever is larger, in percent.
double change_percent(double value, double median) {
  const double a = std::max(value, kSmallBytes);
  const double b = std::max(median, kSmallBytes);
  return 100 * std::max(a, b) / std::min(a, b);
}

RepositoryState state_of(const HealthFacts& facts, const RepositoryFacts& repository) {
  RepositoryState state;
  state.repository = repository.name;
  state.when = facts.when;
  state.labels = repository.labels;
  state.oldest_backup = repository.oldest_backup;
  if (!repository.newest.empty()) state.newest = &repository.newest.back();
  state.unreadable = repository.unreadable;
  if (repository.record_state) state.record_state = &*repository.record_state;
  if (repository.outlook) state.outlook = &*repository.outlook;
  state.kept_elsewhere = std::any_of(
      facts.repositories.begin(), facts.repositories.end(),
      [&](const RepositoryFacts& one) { return &one != &repository && !one.labels.empty(); });
  return state;
}

/// Looks at one repository; the findings come in the order of the page.
class Evaluation {
 public:
  Evaluation(const HealthFacts& facts, const HealthLimits& limits)
      : facts_(facts), limits_(limits) {}

  std::vector<HealthFinding> run() {
    look_at_server();
    for (const RepositoryFacts& repository : facts_.repositories) {
      findings_.about(repository.name);
      if (!repository.error.empty()) {
        findings_.add(unread_finding(repository.name, repository.error));
        continue;
      }
      look_at_repository(repository);
    }
    return findings_.take();
  }

 private:
  void look_at_server() {
    const ServerFacts& server = facts_.server;
    if (!server.error.empty()) {
      findings_.add("server", HealthLevel::unknown,
                    "cannot be asked, so WAL lag is not known: " + server.error);
    } else {
      findings_.add(
          "server", HealthLevel::ok,
          format("PostgreSQL {}{}", server.pg_version, server.in_recovery ? ", a standby" : ""));
      look_at_archiver(server);
    }
    if (facts_.server_here) add_space("pg-wal-space", "pg_wal", facts_.pg_wal_space);
    if (facts_.stopped_here)
      findings_.add("stop", HealthLevel::warning, "stopped on this host" + *facts_.stopped_here);
  }

  void look_at_archiver(const ServerFacts& server) {
    if (!server.archives && !server.in_recovery) {
      findings_.add("archiver", HealthLevel::warning, "the server does not archive its WAL");
    } else if (!server.failing.empty()) {
      findings_.add("archiver", HealthLevel::warning, format("fails with {}", server.failing));
    } else {
      findings_.add("archiver", HealthLevel::ok, "works");
    }
  }

  void look_at_repository(const RepositoryFacts& repository) {
    findings_.add("repository", HealthLevel::ok, "can be read");
    for (HealthFinding& finding : judge(state_of(facts_, repository), limits_))
      findings_.add(std::move(finding));
    if (!repository.newest.empty()) look_at_size(repository, repository.newest.back());
    look_at_life(repository);
    look_at_wal(repository);
    look_at_lease(repository);
    for (const repo::Record* stop : repository.record_state->stops()) {
      findings_.add("stop", HealthLevel::warning,
                    format("stopped since {} by {}: {}", format_local(stop->time), stop->host,
                           std::get<repo::StopRecord>(stop->content).reason));
    }
    for (const storage::StoreRule& rule : repository.harmful_rules) {
      findings_.add("lifecycle", HealthLevel::critical,
                    format("rule \"{}\" of the bucket {}: remove it, or give it another prefix",
                           rule.name, rule.effect));
    }
    if (!repository.directory.empty()) add_space("free-space", "the repository", repository.space);
  }

  void look_at_size(const RepositoryFacts& repository, const repo::BackupMarker& newest) {
    if (!is_set(limits_.size_change_percent)) return;
    std::vector<double> stored;
    std::vector<double> cluster;
    for (const repo::BackupMarker& backup : repository.newest) {
      if (&backup == &newest || backup.type != newest.type) continue;
      stored.push_back(static_cast<double>(backup.stored_bytes));
      cluster.push_back(static_cast<double>(backup.cluster_bytes));
    }
    if (stored.size() < kLeastLikeBackups) return;
    const double usual_stored = median_of(stored);
    const double usual_cluster = median_of(cluster);
    const double percent =
        std::max(change_percent(static_cast<double>(newest.stored_bytes), usual_stored),
                 change_percent(static_cast<double>(newest.cluster_bytes), usual_cluster));
    findings_.measure(
        "backup-size", percent, "%", limits_.size_change_percent, Worse::above,
        format("{} stored, usually {}; cluster {}, usually {}", format_size(newest.stored_bytes),
               format_size(static_cast<std::uint64_t>(usual_stored)),
               format_size(newest.cluster_bytes),
               format_size(static_cast<std::uint64_t>(usual_cluster))));
  }

  /// Is the archive's newest life the one that the primary lives?
  void look_at_life(const RepositoryFacts& repository) {
    const ServerFacts& server = facts_.server;
    if (server.timeline == 0) return;
    if (repository.outlook && repository.outlook->timeline > server.timeline) {
      findings_.add(
          "branch", HealthLevel::critical,
          format("a restore follows timeline {}, and the server is on timeline {}: another one "
                 "archives here, or this server is an old primary; \"pgcairn info\" shows both",
                 timeline_text(repository.outlook->timeline), timeline_text(server.timeline)));
      return;
    }
    if (!archive_is_ahead(repository, server)) return;
    findings_.add(
        "branch", HealthLevel::critical,
        format("{} is archived, and the server has only reached {}: it went back to an earlier "
               "state, or another one archives here; see \"pgcairn check\"",
               repository.wal_last, to_string(server.current_after)));
  }

  void look_at_wal(const RepositoryFacts& repository) {
    // Why the server could not be asked, or does not archive, is a finding already.
    const ServerFacts& server = facts_.server;
    if (!server.error.empty() || (!server.archives && !server.in_recovery)) return;
    const auto lag = wal_lag_bytes(repository, server);
    if (!lag) {
      findings_.add(
          "wal-lag", HealthLevel::unknown,
          repository.wal_last.empty()
              ? "no WAL of this cluster is archived here"
              : format("{} is archived, which the server has not written", repository.wal_last));
      return;
    }
    findings_.measure("wal-lag", static_cast<double>(*lag), "B", limits_.wal_lag_bytes,
                      Worse::above,
                      format("{} of WAL are not archived yet; the newest segment is {}",
                             format_size(*lag), repository.wal_last));
  }

  void look_at_lease(const RepositoryFacts& repository) {
    if (!repository.lease || !repository.lease->held) return;
    const repo::LeaseState& lease = *repository.lease;
    const std::string who = format("{} by process {} on {} since {}", lease.operation,
                                   lease.process.pid, lease.host, format_local(lease.since));
    if (lease.alive(facts_.when)) {
      findings_.add("lease", HealthLevel::ok, who + " is running");
    } else {
      findings_.add("lease", HealthLevel::warning, who + " has ended without releasing its lease");
    }
  }

  void add_space(std::string check, std::string_view what, const std::optional<Space>& space) {
    if (!is_set(limits_.free_space_percent)) return;
    if (!space || space->size_bytes == 0) {
      findings_.add(std::move(check), HealthLevel::unknown,
                    format("the free space of {} is not known", what));
      return;
    }
    const double percent =
        100 * static_cast<double>(space->free_bytes) / static_cast<double>(space->size_bytes);
    findings_.measure(std::move(check), percent, "%", limits_.free_space_percent, Worse::below,
                      format("{} of {} are free ({:.0f}%)", format_size(space->free_bytes),
                             format_size(space->size_bytes), percent));
  }

  const HealthFacts& facts_;
  const HealthLimits& limits_;
  Findings findings_;
};

}  // namespace

std::vector<HealthFinding> evaluate_health(const HealthFacts& facts, const HealthLimits& limits) {
  return Evaluation(facts, limits).run();
}

std::vector<HealthFinding> judge_all(const HealthFacts& facts, const HealthLimits& limits) {
  std::vector<HealthFinding> all;
  for (const RepositoryFacts& repository : facts.repositories) {
    if (!repository.error.empty()) {
      all.push_back(unread_finding(repository.name, repository.error));
      continue;
    }
    auto findings = judge(state_of(facts, repository), limits);
    std::move(findings.begin(), findings.end(), std::back_inserter(all));
  }
  return all;
}

std::optional<std::uint64_t> wal_lag_bytes(const RepositoryFacts& repository,
                                           const ServerFacts& server) {
  const auto last = parse_wal_segment_name(repository.wal_last, server.wal_segment_bytes);
  if (!last || !server.error.empty() || archive_is_ahead(repository, server)) return std::nullopt;
  const std::uint64_t end = (last->number + 1) * server.wal_segment_bytes;
  return server.current.value > end ? server.current.value - end : 0;
}

std::vector<std::string> damaged_backups(const RepositoryFacts& repository) {
  if (!repository.record_state) return {};
  return damaged_of(*repository.record_state, repository.labels);
}

}  // namespace pgcairn::engine
