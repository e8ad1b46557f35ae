#include "render/health.hpp"

#include <pgcairn/common/text.hpp>

#include <functional>
#include <optional>

namespace pgcairn::command {

namespace {

using engine::HealthFacts;
using engine::RepositoryFacts;

std::string label_value(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\' || c == '"') escaped += '\\';
    if (c == '\n') {
      escaped += "\\n";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string number_text(double number) {
  return format("{:.17g}", number);
}

std::optional<double> seconds_since(const std::optional<Timestamp>& then, Timestamp when) {
  if (!then) return std::nullopt;
  return std::max(0.0, std::chrono::duration<double>(when - *then).count());
}

using Value = std::optional<double>;

Value of(std::uint64_t number) {
  return static_cast<double>(number);
}

/// A metric of each repository; what is not known is left out.
struct RepositoryMetric {
  std::string_view name;
  std::string_view help;
  std::function<Value(const HealthFacts&, const RepositoryFacts&)> value;
};

const repo::BackupMarker* newest(const RepositoryFacts& one) {
  return one.newest.empty() ? nullptr : &one.newest.back();
}

Value drill_good(const RepositoryFacts& one) {
  Value good;
  if (!one.record_state) return good;
  for (const repo::Record& record : one.record_state->records()) {
    if (const auto* drill = std::get_if<repo::DrillRecord>(&record.content))
      good = drill->good ? 1 : 0;
  }
  return good;
}

Value left_behind(const HealthFacts& facts, const RepositoryFacts& one) {
  return one.lease && one.lease->held && !one.lease->alive(facts.when) ? 1 : 0;
}

// One line a metric of the page, in its order.
const RepositoryMetric kRepositoryMetrics[] = {
    {"pgcairn_repository_readable",
     "1: the repository could be read; 0: it could not, and nothing else is known.",
     [](const HealthFacts&, const RepositoryFacts& one) -> Value { return one.error.empty(); }},
    {"pgcairn_backups", "Backups in the repository.",
     [](const HealthFacts&, const RepositoryFacts& one) { return of(one.labels.size()); }},
    {"pgcairn_backup_age_seconds", "Time since the newest backup ended.",
     [](const HealthFacts& facts, const RepositoryFacts& one) -> Value {
       if (newest(one) == nullptr) return std::nullopt;
       return seconds_since(newest(one)->stop_time, facts.when);
     }},
    {"pgcairn_backup_duration_seconds", "How long the newest backup took.",
     [](const HealthFacts&, const RepositoryFacts& one) -> Value {
       if (newest(one) == nullptr) return std::nullopt;
       return seconds_since(newest(one)->start_time, newest(one)->stop_time);
     }},
    {"pgcairn_backup_cluster_bytes", "Size of the cluster in the newest backup.",
     [](const HealthFacts&, const RepositoryFacts& one) -> Value {
       return newest(one) == nullptr ? Value() : of(newest(one)->cluster_bytes);
     }},
    {"pgcairn_backup_stored_bytes", "What the newest backup wrote to the repository.",
     [](const HealthFacts&, const RepositoryFacts& one) -> Value {
       return newest(one) == nullptr ? Value() : of(newest(one)->stored_bytes);
     }},
    {"pgcairn_restorable", "1: the newest archived moment can be restored; 0: it cannot.",
     [](const HealthFacts&, const RepositoryFacts& one) -> Value {
       if (!one.outlook || one.outlook->beyond) return std::nullopt;
       return !one.outlook->backup.empty() && !one.outlook->ends_at;
     }},
    {"pgcairn_wal_holes", "Gaps in the archived WAL that was checked.",
     [](const HealthFacts&, const RepositoryFacts& one) -> Value {
       if (!one.outlook || one.outlook->beyond) return std::nullopt;
       return of(one.outlook->holes.size() + (one.outlook->ends_at ? 1 : 0));
     }},
    {"pgcairn_backup_page_errors", "Damaged pages of the cluster in the newest backup.",
     [](const HealthFacts&, const RepositoryFacts& one) -> Value {
       return newest(one) == nullptr ? Value() : of(newest(one)->page_error_count());
     }},
    {"pgcairn_damaged_backups", "Backups that verify found damaged.",
     [](const HealthFacts&, const RepositoryFacts& one) -> Value {
       return one.record_state ? of(engine::damaged_backups(one).size()) : Value();
     }},
    {"pgcairn_verify_age_seconds", "Time since the last verify run.",
     [](const HealthFacts& facts, const RepositoryFacts& one) -> Value {
       return one.record_state
                  ? seconds_since(engine::last_verify_time(*one.record_state), facts.when)
                  : Value();
     }},
    {"pgcairn_drill_age_seconds", "Time since the last drill.",
     [](const HealthFacts& facts, const RepositoryFacts& one) -> Value {
       return one.record_state
                  ? seconds_since(engine::last_drill_time(*one.record_state), facts.when)
                  : Value();
     }},
    {"pgcairn_drill_good", "1: the last drill was good.",
     [](const HealthFacts&, const RepositoryFacts& one) { return drill_good(one); }},
    {"pgcairn_wal_age_seconds", "Time since the newest WAL segment was archived.",
     [](const HealthFacts& facts, const RepositoryFacts& one) {
       return seconds_since(one.wal_time, facts.when);
     }},
    {"pgcairn_wal_lag_bytes", "WAL that the server has written and the repository has not.",
     [](const HealthFacts& facts, const RepositoryFacts& one) -> Value {
       const auto lag = engine::wal_lag_bytes(one, facts.server);
       return lag ? of(*lag) : Value();
     }},
    {"pgcairn_left_behind_leases", "Leases whose holders ended without releasing them.",
     left_behind},
    {"pgcairn_stops", "Stops in force.",
     [](const HealthFacts&, const RepositoryFacts& one) -> Value {
       return one.record_state ? of(one.record_state->stops().size()) : Value();
     }},
    {"pgcairn_repository_size_bytes", "Size of the repository's file system.",
     [](const HealthFacts&, const RepositoryFacts& one) -> Value {
       return one.space ? of(one.space->size_bytes) : Value();
     }},
    {"pgcairn_repository_free_bytes", "Free space of the repository's file system.",
     [](const HealthFacts&, const RepositoryFacts& one) -> Value {
       return one.space ? of(one.space->free_bytes) : Value();
     }},
};

struct StanzaMetric {
  std::string_view name;
  std::string_view type;
  std::string_view help;
  std::function<Value(const HealthFacts&)> value;
};

const StanzaMetric kStanzaMetrics[] = {
    {"pgcairn_server_reachable", "gauge", "1: PostgreSQL answered.",
     [](const HealthFacts& facts) -> Value { return facts.server.error.empty(); }},
    {"pgcairn_archived_segments_total", "counter", "Files archived, by pg_stat_archiver.",
     [](const HealthFacts& facts) -> Value {
       return facts.server.error.empty() ? of(facts.server.archived_count) : Value();
     }},
    {"pgcairn_archive_failures_total", "counter", "Failed attempts, by pg_stat_archiver.",
     [](const HealthFacts& facts) -> Value {
       return facts.server.error.empty() ? of(facts.server.failed_count) : Value();
     }},
    {"pgcairn_pg_wal_size_bytes", "gauge", "Size of the file system of pg_wal.",
     [](const HealthFacts& facts) -> Value {
       return facts.pg_wal_space ? of(facts.pg_wal_space->size_bytes) : Value();
     }},
    {"pgcairn_pg_wal_free_bytes", "gauge", "Free space of the file system of pg_wal.",
     [](const HealthFacts& facts) -> Value {
       return facts.pg_wal_space ? of(facts.pg_wal_space->free_bytes) : Value();
     }},
    {"pgcairn_health_timestamp_seconds", "gauge", "When this was measured.",
     [](const HealthFacts& facts) -> Value {
       return std::chrono::duration<double>(facts.when.time_since_epoch()).count();
     }},
};

/// HELP and TYPE once, before the first value.
class Metric {
 public:
  Metric(std::string& text, std::string_view name, std::string_view type, std::string_view help)
      : text_(text),
        name_(name),
        header_(format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help)) {}

  void add(const std::string& labels, const Value& value) {
    if (!value) return;
    text_ += header_;
    header_.clear();
    text_ += format("{}{{{}}} {}\n", name_, labels, number_text(*value));
  }

 private:
  std::string& text_;
  std::string_view name_;
  std::string header_;
};

std::string stanza_label(const StanzaHealth& stanza) {
  return format("stanza=\"{}\"", label_value(stanza.facts.stanza));
}

}  // namespace

std::string health_metrics(std::span<const StanzaHealth> stanzas) {
  std::string text;
  Metric status(text, "pgcairn_health_status", "gauge",
                "State of a check: 0 ok, 1 warning, 2 critical, 3 unknown.");
  for (const StanzaHealth& stanza : stanzas) {
    // Several findings of one check are one value: the worst.
    std::map<std::string, engine::HealthLevel> worst;
    for (const engine::HealthFinding& finding : stanza.findings) {
      const std::string labels = format("{},repository=\"{}\",check=\"{}\"", stanza_label(stanza),
                                        label_value(finding.repository), finding.check);
      auto& level = worst[labels];
      level = std::max(level, finding.level);
    }
    static constexpr double codes[] = {0, 1, 3, 2};  // as nagios has them
    for (const auto& [labels, level] : worst)
      status.add(labels, codes[static_cast<std::size_t>(level)]);
  }
  for (const StanzaMetric& one : kStanzaMetrics) {
    Metric metric(text, one.name, one.type, one.help);
    for (const StanzaHealth& stanza : stanzas)
      metric.add(stanza_label(stanza), one.value(stanza.facts));
  }
  for (const RepositoryMetric& one : kRepositoryMetrics) {
    Metric metric(text, one.name, "gauge", one.help);
    for (const StanzaHealth& stanza : stanzas) {
      for (const RepositoryFacts& repository : stanza.facts.repositories) {
        const bool known = repository.error.empty() || one.name == "pgcairn_repository_readable";
        metric.add(
            format("{},repository=\"{}\"", stanza_label(stanza), label_value(repository.name)),
            known ? one.value(stanza.facts, repository) : Value());
      }
    }
  }
  return text;
}

}  // namespace pgcairn::command
