#include "status/health_measure.hpp"

#include <pgcairn/common/counted.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/status/verdict.hpp>
#include <pgcairn/repo/layout.hpp>

#include <algorithm>
#include <set>

namespace pgcairn::engine {

namespace {

// The server's clock against ours; more is not a matter of clocks that nobody set.
constexpr std::chrono::minutes kClocksDiffer{10};

/// Of an error: what follows it is context and hint.
std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

/// What one repository's state comes to; the findings come in the order of the page.
class Judgement {
 public:
  Judgement(const RepositoryState& state, const HealthLimits& limits)
      : state_(state), limits_(limits) {
    findings_.about(state.repository);
  }

  std::vector<HealthFinding> run() {
    for (const std::string& unreadable : state_.unreadable)
      findings_.add("repository", HealthLevel::critical, unreadable);
    if (state_.labels.empty() && state_.kept_elsewhere) {
      findings_.add("restorable", HealthLevel::ok,
                    "no backup is kept here, but in another repository");
      return findings_.take();
    }
    look_at_outlook();
    look_at_backups();
    look_at_proofs();
    return findings_.take();
  }

 private:
  /// Can the newest moment be restored, and from which backup?
  void look_at_outlook() {
    if (state_.outlook == nullptr) {
      if (state_.labels.empty()) {
        findings_.add("restorable", HealthLevel::critical,
                      "nothing can be restored: there is no backup");
      } else {
        findings_.add("restorable", HealthLevel::unknown, "it is not known what can be restored");
      }
      return;
    }
    const Outlook& outlook = *state_.outlook;
    if (outlook.beyond) {
      findings_.add(
          "restorable", HealthLevel::unknown,
          format("it was not checked whether the newest moment can be restored: WAL was checked "
                 "from {} on, and the newest whole backup needs it from {} on; \"pgcairn info\" "
                 "checks all of it",
                 outlook.looked_from, outlook.first));
    } else if (outlook.backup.empty()) {
      findings_.add("restorable", HealthLevel::critical,
                    "the newest moment cannot be restored: " + outlook.unreachable_reason);
    } else if (outlook.minimal_at) {
      findings_.add(
          "restorable", HealthLevel::critical,
          format("the newest moment cannot be restored: from backup {}, no recovery goes past {}, "
                 "where the server began to run with wal_level=minimal; a new backup gets past it",
                 outlook.backup, to_string(*outlook.minimal_at)));
    } else if (outlook.ends_at) {
      findings_.add(
          "restorable", HealthLevel::critical,
          format("the newest moment cannot be restored: from backup {}, recovery ends at {} on the "
                 "way to timeline {}, since WAL segment {} is missing while {} is there; a new "
                 "backup gets past it",
                 outlook.backup, to_string(outlook.to), outlook.timeline, outlook.ends_at->missing,
                 outlook.ends_at->after_gap));
    } else {
      findings_.add(
          "restorable", HealthLevel::ok,
          format(
              "to {} on timeline {}{}, from backup {}{}", to_string(outlook.to), outlook.timeline,
              outlook.to_time ? format(" (archived {})", format_local(seconds_of(*outlook.to_time)))
                              : "",
              outlook.backup,
              outlook.looked_from.empty()
                  ? ""
                  : format("; WAL before {} was not checked", outlook.looked_from)));
    }
    look_at_pages(outlook);
    if (!outlook.holes.empty() && !outlook.backup.empty()) {
      const Outlook::Hole& first = outlook.holes.front();
      findings_.add(
          "wal-holes", HealthLevel::warning,
          format("{} of the archived WAL before backup {}, whose moments cannot be restored: {} is "
                 "missing while {} is there{}",
                 outlook.holes.size() == 1 ? "there is a gap"
                                           : format("there are {} gaps", outlook.holes.size()),
                 outlook.backup, first.missing, first.after_gap,
                 first.gap == Gap::doubtful
                     ? "; the archive was switched off for a time, or has lost it"
                     : ""));
    }
  }

  void look_at_pages(const Outlook& outlook) {
    for (const std::string& one : outlook.passed_over)
      findings_.add("backup-choice", HealthLevel::warning,
                    "a restore begins with an older one: " + one);
    if (outlook.damaged_pages > 0 && !outlook.backup.empty()) {
      findings_.add(
          "page-errors", HealthLevel::critical,
          format("backup {}, from which the newest moment is restored, holds {} damaged page{} of "
                 "the cluster, and no whole one reaches it: {}{}",
                 outlook.backup, outlook.damaged_pages, outlook.damaged_pages == 1 ? "" : "s",
                 outlook.damaged_pages == 1 ? "" : "the first is ", outlook.first_damaged));
    }
  }

  void look_at_backups() {
    findings_.measure("backup-count", static_cast<double>(state_.labels.size()), "",
                      limits_.backup_count, Worse::below, counted(state_.labels.size(), "backup"));
    if (state_.newest == nullptr) {
      findings_.add("backup-age", HealthLevel::critical,
                    state_.labels.empty() ? "there is no backup" : "no backup can be read");
      return;
    }
    // One on a branch that was left saves nothing of what the cluster does now.
    const std::string on_way = state_.outlook == nullptr ? "" : state_.outlook->newest_on_way;
    const bool left = !on_way.empty() && on_way != state_.newest->label;
    const std::string label = left ? on_way : state_.newest->label;
    const Timestamp stop = left ? state_.outlook->newest_stop : state_.newest->stop_time;
    if (stop > state_.when + kClocksDiffer) {
      findings_.add(
          "backup-age", HealthLevel::unknown,
          format("the newest backup, {}, ended at {}, which is later than now: a clock is wrong",
                 label, format_local(stop)));
      return;
    }
    const double age = seconds_between(stop, state_.when);
    findings_.measure(
        "backup-age", age, "s", limits_.backup_age_seconds, Worse::above,
        format("the newest backup{}, {}, ended {} ago{}", left ? " of the newest timeline" : "",
               label, words_of_age(age),
               left ? format("; {} is on a branch that was left", state_.newest->label)
                    : std::string()));
  }

  void look_at_proofs() {
    if (state_.labels.empty()) return;
    if (state_.record_state == nullptr) {
      findings_.add("verify", HealthLevel::unknown,
                    "the records of verify and drill could not be read");
      return;
    }
    look_at_damage(*state_.record_state);
    const repo::Record* const drill = last_drill(*state_.record_state);
    if (drill != nullptr && !std::get<repo::DrillRecord>(drill->content).good) {
      findings_.add(
          "drill", HealthLevel::critical,
          format("the drill of backup {} failed at {}; a drill that succeeds clears this",
                 std::get<repo::DrillRecord>(drill->content).backup, format_local(drill->time)));
      return;
    }
    add_proof("drill", "drilled", last_drill_time(*state_.record_state), limits_.drill_age_seconds);
  }

  void look_at_damage(const repo::RecordState& record_state) {
    bool damaged = false;
    for (const std::string& label : damaged_of(record_state, state_.labels)) {
      damaged = true;
      findings_.add("verify", HealthLevel::critical, format("backup {} is damaged", label));
    }
    if (const repo::Record* const record = damage_of_archive(record_state)) {
      const auto& run = std::get<repo::VerifyRecord>(record->content);
      damaged = true;
      findings_.add(
          "verify", is_behind(run) ? HealthLevel::warning : HealthLevel::critical,
          format("verify found {} damaged or missing at {}{}", run.damage_count,
                 format_local(record->time),
                 run.damages.empty() ? "" : ", the first: " + first_line(run.damages.front())));
    }
    if (!damaged)
      add_proof("verify", "verified", last_verify_time(record_state), limits_.verify_age_seconds);
  }

  /// All of it is WAL before the backup that a restore begins with.
  bool is_behind(const repo::VerifyRecord& run) const {
    if (state_.outlook == nullptr || state_.outlook->backup.empty()) return false;
    if (run.damage_count > run.damages.size()) return false;
    const std::string& first = state_.outlook->first;
    return std::all_of(run.damages.begin(), run.damages.end(), [&](const std::string& damage) {
      const auto key = repo::parse_key(damage.substr(0, damage.find(' ')));
      return key && key->kind == repo::ObjectKind::wal && key->file.size() >= 24 &&
             key->file.substr(8, 16) < first.substr(8, 16);
    });
  }

  /// What was never proved counts from the oldest backup on: a new repository has time for it.
  void add_proof(std::string check, std::string_view done, std::optional<Timestamp> last,
                 const HealthLimit& limit) {
    if (!is_set(limit)) return;
    const Timestamp since = last ? *last : state_.oldest_backup.value_or(state_.when);
    const double age = seconds_between(since, state_.when);
    findings_.measure(
        std::move(check), age, "s", limit, Worse::above,
        last ? format("last {} {} ago", done, words_of_age(age))
             : format("never {}; the oldest backup is {} old", done, words_of_age(age)));
  }

  static const repo::Record* last_drill(const repo::RecordState& record_state) {
    const repo::Record* last = nullptr;
    for (const repo::Record& record : record_state.records())
      if (std::holds_alternative<repo::DrillRecord>(record.content)) last = &record;
    return last;
  }

  const RepositoryState& state_;
  const HealthLimits& limits_;
  Findings findings_;
};

template <class Content>
std::optional<Timestamp> last_time(const repo::RecordState& record_state) {
  std::optional<Timestamp> last;
  for (const repo::Record& record : record_state.records())
    if (std::holds_alternative<Content>(record.content)) last = record.time;
  return last;
}

}  // namespace

std::string_view name_of(HealthLevel level) {
  static constexpr std::string_view names[] = {"ok", "warning", "unknown", "critical"};
  return names[static_cast<std::size_t>(level)];
}

std::string_view shouted(HealthLevel level) {
  static constexpr std::string_view words[] = {"ok", "WARNING", "UNKNOWN", "CRITICAL"};
  return words[static_cast<std::size_t>(level)];
}

HealthLevel worst_of(std::span<const HealthFinding> findings) {
  HealthLevel worst = HealthLevel::ok;
  for (const HealthFinding& finding : findings) worst = std::max(worst, finding.level);
  return worst;
}

std::vector<HealthFinding> judge(const RepositoryState& state, const HealthLimits& limits) {
  return Judgement(state, limits).run();
}

HealthFinding unread_finding(const std::string& repository, const std::string& why) {
  return {"repository",
          repository,
          HealthLevel::unknown,
          "cannot be read: " + why.substr(0, why.find('\n')),
          {},
          {},
          {}};
}

Verdict verdict_of(std::span<const HealthFinding> findings) {
  Verdict verdict{worst_of(findings), {}};
  std::set<std::string> repositories;
  for (const HealthFinding& finding : findings)
    if (!finding.repository.empty()) repositories.insert(finding.repository);
  for (const HealthFinding& finding : findings) {
    const bool is_good = verdict.level == HealthLevel::ok;
    if (is_good ? finding.check != "restorable" : finding.level != verdict.level) continue;
    const std::string subject =
        repositories.size() < 2 || finding.repository.empty() ? "" : finding.repository + ": ";
    verdict.message = subject + finding.message;
    break;
  }
  return verdict;
}

std::string words_of(const Verdict& verdict) {
  const std::string_view word = shouted(verdict.level);
  return verdict.message.empty() ? std::string(word) : format("{}: {}", word, verdict.message);
}

std::optional<Timestamp> last_verify_time(const repo::RecordState& record_state) {
  return last_time<repo::VerifyRecord>(record_state);
}

std::optional<Timestamp> last_drill_time(const repo::RecordState& record_state) {
  return last_time<repo::DrillRecord>(record_state);
}

}  // namespace pgcairn::engine
