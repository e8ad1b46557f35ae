#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/health.hpp>

#include <algorithm>

namespace pgcairn::engine {

namespace {

constexpr std::size_t kLeastLikeBackups = 4;
// Below it, sizes jump for no reason: an incremental backup of a quiet night.
constexpr double kSmallBytes = kMiB;
// The server's clock against ours; more is not a matter of clocks that nobody set.
constexpr std::chrono::minutes kClocksDiffer{10};

double seconds_between(Timestamp from, Timestamp to) {
  return std::max(0.0, std::chrono::duration<double>(to - from).count());
}

std::string words_of_age(double seconds) {
  return format_duration(milliseconds(static_cast<std::int64_t>(seconds * 1000)));
}

enum class Worse { above, below };

HealthLevel level_of(double value, const HealthLimit& limit, Worse worse) {
  const auto passed = [&](double end) {
    return end != 0 && (worse == Worse::above ? value > end : value < end);
  };
  if (passed(limit.critical)) return HealthLevel::critical;
  return passed(limit.warn) ? HealthLevel::warning : HealthLevel::ok;
}

bool looked_at(const HealthLimit& limit) {
  return limit.warn != 0 || limit.critical != 0;
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// How many times the one is the other, whichever is larger, in percent.
double change_percent(double value, double median) {
  const double a = std::max(value, kSmallBytes);
  const double b = std::max(median, kSmallBytes);
  return 100 * std::max(a, b) / std::min(a, b);
}

/// Looks at one repository; the findings come in the order of the page.
class Evaluation {
 public:
  Evaluation(const HealthFacts& facts, const HealthLimits& limits)
      : facts_(facts), limits_(limits) {}

  std::vector<HealthFinding> run() {
    look_at_server();
    for (const RepositoryFacts& repository : facts_.repositories) {
      repository_ = repository.name;
      if (!repository.error.empty()) {
        add("repository", HealthLevel::unknown, "cannot be read: " + repository.error);
        continue;
      }
      look_at_repository(repository);
    }
    return std::move(findings_);
  }

 private:
  HealthFinding& add(std::string check, HealthLevel level, std::string message) {
    findings_.push_back({std::move(check), repository_, level, std::move(message), {}, {}, {}});
    return findings_.back();
  }

  void add_measured(std::string check, double value, std::string unit, const HealthLimit& limit,
                    Worse worse, std::string message) {
    HealthFinding& finding =
        add(std::move(check), level_of(value, limit, worse), std::move(message));
    finding.value = value;
    finding.unit = std::move(unit);
    finding.limit = limit;
  }

  void look_at_server() {
    const ServerFacts& server = facts_.server;
    if (!server.error.empty()) {
      add("server", HealthLevel::unknown,
          "cannot be asked, so that WAL lag is not known: " + server.error);
    } else {
      add("server", HealthLevel::ok,
          format("PostgreSQL {}{}", server.pg_version, server.in_recovery ? ", a standby" : ""));
      look_at_archiver(server);
    }
    if (facts_.server_here) add_space("pg-wal-space", "pg_wal", facts_.pg_wal_space);
    if (facts_.stopped_here)
      add("stop", HealthLevel::warning, "stopped on this host" + *facts_.stopped_here);
  }

  void look_at_archiver(const ServerFacts& server) {
    if (!server.archives && !server.in_recovery) {
      add("archiver", HealthLevel::warning, "the server does not archive its WAL");
    } else if (!server.failing.empty()) {
      add("archiver", HealthLevel::warning, format("fails with {}", server.failing));
    } else {
      add("archiver", HealthLevel::ok, "works");
    }
  }

  void look_at_repository(const RepositoryFacts& repository) {
    add("repository", HealthLevel::ok, "can be read");
    for (const std::string& unreadable : repository.unreadable)
      add("repository", HealthLevel::critical, unreadable);
    look_at_backups(repository);
    look_at_wal(repository);
    look_at_proofs(repository);
    look_at_lease(repository);
    for (const repo::Record* stop : repository.standing->stops()) {
      add("stop", HealthLevel::warning,
          format("stopped since {} by {}: {}", format_local(stop->time), stop->host,
                 std::get<repo::StopRecord>(stop->content).reason));
    }
    if (!repository.directory.empty()) add_space("free-space", "the repository", repository.space);
  }

  bool others_have_backups(const RepositoryFacts& repository) const {
    return std::any_of(
        facts_.repositories.begin(), facts_.repositories.end(),
        [&](const RepositoryFacts& one) { return &one != &repository && !one.labels.empty(); });
  }

  void look_at_backups(const RepositoryFacts& repository) {
    if (repository.labels.empty() && others_have_backups(repository)) {
      add("backup-age", HealthLevel::ok, "no backup is kept here, but in another repository");
      return;
    }
    add_measured(
        "backup-count", static_cast<double>(repository.labels.size()), "", limits_.backup_count,
        Worse::below,
        format("{} backup{}", repository.labels.size(), repository.labels.size() == 1 ? "" : "s"));
    if (repository.newest.empty()) {
      add("backup-age", HealthLevel::critical,
          repository.labels.empty() ? "there is no backup" : "no backup can be read");
      return;
    }
    const repo::BackupInfo& newest = repository.newest.back();
    if (newest.stop_time > facts_.when + kClocksDiffer) {
      add("backup-age", HealthLevel::unknown,
          format("the newest backup, {}, ended at {}, which is later than now: a clock is wrong",
                 newest.label, format_local(newest.stop_time)));
      return;
    }
    const double age = seconds_between(newest.stop_time, facts_.when);
    add_measured("backup-age", age, "s", limits_.backup_age_seconds, Worse::above,
                 format("the newest backup, {}, ended {} ago", newest.label, words_of_age(age)));
    look_at_size(repository, newest);
  }

  void look_at_size(const RepositoryFacts& repository, const repo::BackupInfo& newest) {
    if (!looked_at(limits_.size_change_percent)) return;
    std::vector<double> stored;
    std::vector<double> cluster;
    for (const repo::BackupInfo& backup : repository.newest) {
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
    add_measured(
        "backup-size", percent, "%", limits_.size_change_percent, Worse::above,
        format("{} stored, usually {}; cluster {}, usually {}", format_size(newest.stored_bytes),
               format_size(static_cast<std::uint64_t>(usual_stored)),
               format_size(newest.cluster_bytes),
               format_size(static_cast<std::uint64_t>(usual_cluster))));
  }

  void look_at_wal(const RepositoryFacts& repository) {
    // Why the server could not be asked, or does not archive, is a finding already.
    const ServerFacts& server = facts_.server;
    if (!server.error.empty() || (!server.archives && !server.in_recovery)) return;
    const auto lag = wal_lag_bytes(repository, server);
    if (!lag) {
      add("wal-lag", HealthLevel::unknown, "no WAL of this cluster is archived here");
      return;
    }
    add_measured("wal-lag", static_cast<double>(*lag), "B", limits_.wal_lag_bytes, Worse::above,
                 format("{} of WAL are not archived yet; the newest segment is {}",
                        format_size(*lag), repository.wal_last));
  }

  void look_at_proofs(const RepositoryFacts& repository) {
    if (repository.labels.empty()) return;
    const repo::Standing& standing = *repository.standing;
    const std::vector<std::string> damaged = damaged_backups(repository);
    for (const std::string& label : damaged)
      add("verify", HealthLevel::critical, format("backup {} is damaged", label));
    if (damaged.empty()) {
      add_proof("verify", "verified", last_verify_time(standing), repository,
                limits_.verify_age_seconds);
    }
    const repo::Record* const drill = last_drill(standing);
    if (drill != nullptr && !std::get<repo::DrillRecord>(drill->content).good) {
      add("drill", HealthLevel::critical,
          format("backup {} did not come back good at {}",
                 std::get<repo::DrillRecord>(drill->content).backup, format_local(drill->time)));
      return;
    }
    add_proof("drill", "drilled", last_drill_time(standing), repository, limits_.drill_age_seconds);
  }

  /// What was never proved counts from the oldest backup on: a new repository has time for it.
  void add_proof(std::string check, std::string_view done, std::optional<Timestamp> last,
                 const RepositoryFacts& repository, const HealthLimit& limit) {
    if (!looked_at(limit)) return;
    const Timestamp since = last ? *last : repository.oldest_backup.value_or(facts_.when);
    const double age = seconds_between(since, facts_.when);
    add_measured(std::move(check), age, "s", limit, Worse::above,
                 last ? format("last {} {} ago", done, words_of_age(age))
                      : format("never {}; the oldest backup is {} old", done, words_of_age(age)));
  }

  static const repo::Record* last_drill(const repo::Standing& standing) {
    const repo::Record* last = nullptr;
    for (const repo::Record& record : standing.records())
      if (std::holds_alternative<repo::DrillRecord>(record.content)) last = &record;
    return last;
  }

  void look_at_lease(const RepositoryFacts& repository) {
    if (!repository.lease || !repository.lease->held) return;
    const repo::LeaseState& lease = *repository.lease;
    const std::string who = format("{} by process {} on {} since {}", lease.operation,
                                   lease.process.pid, lease.host, format_local(lease.since));
    if (lease.alive(facts_.when)) {
      add("lease", HealthLevel::ok, who + " is running");
    } else {
      add("lease", HealthLevel::warning, who + " has ended without giving its lease back");
    }
  }

  void add_space(std::string check, std::string_view what, const std::optional<Space>& space) {
    if (!looked_at(limits_.free_space_percent)) return;
    if (!space || space->size_bytes == 0) {
      add(std::move(check), HealthLevel::unknown,
          format("the free space of {} is not known", what));
      return;
    }
    const double percent =
        100 * static_cast<double>(space->free_bytes) / static_cast<double>(space->size_bytes);
    add_measured(std::move(check), percent, "%", limits_.free_space_percent, Worse::below,
                 format("{} of {} are free ({:.0f}%)", format_size(space->free_bytes),
                        format_size(space->size_bytes), percent));
  }

  const HealthFacts& facts_;
  const HealthLimits& limits_;
  std::string repository_;
  std::vector<HealthFinding> findings_;
};

}  // namespace

std::string_view name_of(HealthLevel level) {
  static constexpr std::string_view names[] = {"ok", "warning", "unknown", "critical"};
  return names[static_cast<std::size_t>(level)];
}

std::vector<HealthFinding> evaluate_health(const HealthFacts& facts, const HealthLimits& limits) {
  return Evaluation(facts, limits).run();
}

HealthLevel worst_of(std::span<const HealthFinding> findings) {
  HealthLevel worst = HealthLevel::ok;
  for (const HealthFinding& finding : findings) worst = std::max(worst, finding.level);
  return worst;
}

std::optional<std::uint64_t> wal_lag_bytes(const RepositoryFacts& repository,
                                           const ServerFacts& server) {
  const auto last = parse_wal_segment_name(repository.wal_last, server.wal_segment_bytes);
  if (!last || !server.error.empty()) return std::nullopt;
  const std::uint64_t end = (last->number + 1) * server.wal_segment_bytes;
  return server.current.value > end ? server.current.value - end : 0;
}

namespace {

template <class Content>
std::optional<Timestamp> last_time(const repo::Standing& standing) {
  std::optional<Timestamp> last;
  for (const repo::Record& record : standing.records())
    if (std::holds_alternative<Content>(record.content)) last = record.time;
  return last;
}

}  // namespace

std::optional<Timestamp> last_verify_time(const repo::Standing& standing) {
  return last_time<repo::VerifyRecord>(standing);
}

std::optional<Timestamp> last_drill_time(const repo::Standing& standing) {
  return last_time<repo::DrillRecord>(standing);
}

std::vector<std::string> damaged_backups(const RepositoryFacts& repository) {
  std::vector<std::string> labels;
  for (const std::string& label : repository.labels)
    if (repository.standing && repository.standing->damage(label) != nullptr)
      labels.push_back(label);
  return labels;
}

}  // namespace pgcairn::engine
