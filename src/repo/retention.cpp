#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/retention.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace pgcairn::repo {

namespace {

using std::chrono::days;

/// What clocks of the operator's zone showed.
struct LocalTime {
  Timestamp shown;  // as if it were UTC
  std::chrono::seconds offset;

  std::chrono::sys_days day() const { return std::chrono::floor<days>(shown); }
};

std::string year_name(const LocalTime& time) {
  return format("{:04}", static_cast<int>(std::chrono::year_month_day(time.day()).year()));
}

std::string month_name(const LocalTime& time) {
  const std::chrono::year_month_day date(time.day());
  return format("{}-{:02}", year_name(time), static_cast<unsigned>(date.month()));
}

std::string quarter_name(const LocalTime& time) {
  const std::chrono::year_month_day date(time.day());
  return format("{}-Q{}", year_name(time), (static_cast<unsigned>(date.month()) + 2) / 3);
}

std::string day_name(const LocalTime& time) {
  const std::chrono::year_month_day date(time.day());
  return format("{}-{:02}", month_name(time), static_cast<unsigned>(date.day()));
}

/// ISO 8601: a week begins on Monday and belongs to the year of its Thursday.
std::string week_name(const LocalTime& time) {
  const std::chrono::weekday weekday(time.day());
  const std::chrono::sys_days thursday = time.day() + days(4) - days(weekday.iso_encoding());
  const std::chrono::year year = std::chrono::year_month_day(thursday).year();
  const days into_year = thursday - std::chrono::sys_days(year / std::chrono::January / 1);
  return format("{:04}-W{:02}", static_cast<int>(year), into_year.count() / 7 + 1);
}

/// With the offset: where clocks are set back, the same hour comes twice and is two hours.
std::string hour_name(const LocalTime& time) {
  const auto hour = std::chrono::floor<std::chrono::hours>(time.shown) - time.day();
  const auto minutes = std::chrono::floor<std::chrono::minutes>(time.offset).count();
  return format("{} {:02}:00{}{:02}:{:02}", day_name(time), hour.count(), minutes < 0 ? '-' : '+',
                std::abs(minutes) / 60, std::abs(minutes) % 60);
}

/// A rule that keeps the last backup of each of a number of periods.
struct CalendarRule {
  std::string_view name;
  RetentionPolicy::Count RetentionPolicy::*count;
  std::string (*period)(const LocalTime&);
};
constexpr CalendarRule kCalendarRules[] = {
    {"keep-hourly", &RetentionPolicy::keep_hourly, hour_name},
    {"keep-daily", &RetentionPolicy::keep_daily, day_name},
    {"keep-weekly", &RetentionPolicy::keep_weekly, week_name},
    {"keep-monthly", &RetentionPolicy::keep_monthly, month_name},
    {"keep-quarterly", &RetentionPolicy::keep_quarterly, quarter_name},
    {"keep-yearly", &RetentionPolicy::keep_yearly, year_name},
};

class Retention {
 public:
  Retention(std::span<const RetentionBackup> backups, const RetentionPolicy& policy, Timestamp now)
      : backups_(backups),
        policy_(policy),
        now_(now),
        verdicts_(backups.size()),
        outweighed_(backups.size()),
        only_way_(backups.size()) {
    for (RetentionVerdict& verdict : verdicts_) verdict.keep = false;
    for (std::size_t i = 0; i < size(); ++i) {
      if (counts(i)) newest_ = backups_[i].stop_time;
    }
  }

  std::vector<RetentionVerdict> run() {
    if (policy_.chooses_backups()) {
      apply_full_and_diff();
      apply_last_and_within();
      for (const CalendarRule& rule : kCalendarRules) apply(rule);
      apply_max_age();
      protect();
      apply_floor();
    } else {
      for (std::size_t i = 0; i < size(); ++i) keep(i, "no rule removes backups");
    }
    keep_ways();
    for (std::size_t i = 0; i < size(); ++i) {
      if (!verdicts_[i].keep) verdicts_[i].reasons = removal_reasons(i);
    }
    mark_continuous_wal();
    return std::move(verdicts_);
  }

 private:
  std::size_t size() const { return backups_.size(); }
  bool is_future(std::size_t i) const { return backups_[i].stop_time > now_; }
  bool is_good(std::size_t i) const { return !backups_[i].damaged && !is_future(i); }
  bool counts(std::size_t i) const { return is_good(i) && !backups_[i].left; }

  void keep(std::size_t i, std::string reason) {
    verdicts_[i].keep = true;
    verdicts_[i].reasons.push_back(std::move(reason));
  }

  /// The `count`th newest of those that count and are `wanted`; the first of all when there are
  /// fewer.
  template <class Wanted>
  std::size_t nth_newest(std::uint32_t count, Wanted&& wanted) const {
    for (std::size_t i = size(); i-- > 0;) {
      if (counts(i) && wanted(i) && --count == 0) return i;
    }
    return 0;
  }

  /// The newest of them that is at least so old: from it on, all of the span can be restored.
  template <class Wanted>
  std::size_t before_span(milliseconds span, Wanted&& wanted) const {
    for (std::size_t i = size(); i-- > 0;) {
      if (counts(i) && wanted(i) && backups_[i].stop_time <= newest_ - span) return i;
    }
    return 0;
  }

  void apply_full_and_diff() {
    if (!policy_.full && !policy_.diff) return;
    const auto is_full = [&](std::size_t i) { return backups_[i].type == BackupType::full; };
    std::size_t full_from = 0;
    if (policy_.full) {
      full_from = policy_.full_in_days ? before_span(days(*policy_.full), is_full)
                                       : nth_newest(*policy_.full, is_full);
    }
    std::size_t later_from = full_from;
    if (policy_.diff) {
      // As pgBackRest counts: a full backup is a differential one, too.
      later_from = std::max(later_from, nth_newest(*policy_.diff, [&](std::size_t i) {
                              return backups_[i].type != BackupType::incremental;
                            }));
    }
    for (std::size_t i = full_from; i < size(); ++i) {
      if (is_full(i) || !policy_.diff) {
        keep(i, !policy_.full          ? std::string("full, and retention-full is not set")
                : policy_.full_in_days ? format("retention-full {} days", *policy_.full)
                                       : format("retention-full {}", *policy_.full));
      } else if (i >= later_from) {
        keep(i, format("retention-diff {}", *policy_.diff));
      }
    }
  }

  void apply_last_and_within() {
    if (policy_.keep_last) {
      const std::size_t from = nth_newest(*policy_.keep_last, [](std::size_t) { return true; });
      for (std::size_t i = from; i < size(); ++i)
        keep(i, format("keep-last {}", *policy_.keep_last));
    }
    if (policy_.keep_within) keep_younger("keep-within", *policy_.keep_within);
  }

  void keep_younger(std::string_view rule, const CalendarSpan& span) {
    const Timestamp from = before(newest_, span, policy_.offset_at);
    for (std::size_t i = 0; i < size(); ++i) {
      if (backups_[i].stop_time >= from) keep(i, format("{} {}", rule, format_calendar_span(span)));
    }
  }

  void apply(const CalendarRule& rule) {
    const RetentionPolicy::Count count = policy_.*rule.count;
    if (!count) return;
    std::set<std::string> periods;
    std::set<std::string> left_periods;  // with the last of a branch that was left
    for (std::size_t i = size(); i-- > 0 && periods.size() < *count;) {
      if (!is_good(i)) continue;
      const std::chrono::seconds offset = policy_.offset_at(backups_[i].stop_time);
      const std::string period = rule.period({backups_[i].stop_time + offset, offset});
      const bool is_new = counts(i) ? periods.insert(period).second
                                    : left_periods.insert(branch_of(i) + period).second;
      if (is_new) keep(i, format("{} {}", rule.name, period));
    }
  }

  /// What is older goes, whatever the rules before have kept.
  void apply_max_age() {
    if (!policy_.max_age) return;
    const Timestamp from = before(newest_, *policy_.max_age, policy_.offset_at);
    for (std::size_t i = 0; i < size(); ++i) {
      if (backups_[i].stop_time < from) {
        verdicts_[i].keep = false;
        outweighed_[i] = std::exchange(verdicts_[i].reasons, {});
      } else if (!policy_.keeps_backups()) {
        keep(i, format("max-age {}", format_calendar_span(*policy_.max_age)));
      }
    }
  }

  std::vector<std::string> removal_reasons(std::size_t i) const {
    if (!outweighed_[i]) return {"no rule keeps it"};
    std::vector<std::string> reasons = {
        format("older than max-age {}", format_calendar_span(*policy_.max_age))};
    for (const std::string& rule : *outweighed_[i]) reasons.push_back("against " + rule);
    return reasons;
  }

  std::string branch_of(std::size_t i) const {
    const auto& ends = backups_[i].leads_to;
    return format("{} {} ", backups_[i].cluster, ends.empty() ? 0 : ends.front());
  }

  /// What stays whatever the rules say.
  void protect() {
    std::set<std::string> clusters;
    for (std::size_t i = size(); i-- > 0;) {
      if (i + 1 == size()) keep(i, "the newest backup");
      if (is_future(i)) keep(i, "its time is in the future");
      if (is_good(i) && clusters.insert(backups_[i].cluster).second)
        keep(i, "the last good backup of its cluster");
      for (const std::string& reason : backups_[i].holds) keep(i, format("hold '{}'", reason));
    }
  }

  void apply_floor() {
    if (policy_.keep_min_age) keep_younger("keep-min-age", *policy_.keep_min_age);
    if (!policy_.keep_min) return;
    std::uint32_t kept = 0;
    for (std::size_t i = 0; i < size(); ++i) kept += counts(i) && verdicts_[i].keep ? 1 : 0;
    for (std::size_t i = size(); i-- > 0 && kept < *policy_.keep_min;) {
      if (!counts(i) || verdicts_[i].keep) continue;
      keep(i, format("keep-min {}", *policy_.keep_min));
      ++kept;
    }
  }

  /// For each branch the newest good backup on the way to it: of those that stay, where there is
  /// one.
  void keep_ways() {
    struct Way {
      std::optional<std::size_t> kept, good, any;
    };
    std::map<std::pair<std::string, Timeline>, Way> ways;
    for (std::size_t i = 0; i < size(); ++i) {
      for (const Timeline end : backups_[i].leads_to) {
        Way& way = ways[{backups_[i].cluster, end}];
        way.any = i;
        if (is_good(i)) way.good = i;
        if (is_good(i) && verdicts_[i].keep) way.kept = i;
      }
    }
    for (const auto& [end, way] : ways) {
      const std::size_t i = way.kept ? *way.kept : way.good.value_or(*way.any);
      verdicts_[i].way_to.push_back(end.second);
      if (way.kept) continue;
      only_way_[i] = !verdicts_[i].keep || only_way_[i];
      keep(i, format("the last one on the way to timeline {}", end.second));
    }
  }

  void mark_continuous_wal() {
    std::size_t from = 0;
    if (policy_.archive) {
      const auto is_counted = [&](std::size_t i) {
        if (!verdicts_[i].keep) return false;
        switch (policy_.archive_unit) {
          case ArchiveUnit::full:
            return backups_[i].type == BackupType::full;
          case ArchiveUnit::diff:
            return backups_[i].type != BackupType::incremental;
          case ArchiveUnit::incr:
          case ArchiveUnit::time:
            return true;
        }
        return true;
      };
      from = policy_.archive_unit == ArchiveUnit::time
                 ? before_span(days(*policy_.archive), is_counted)
                 : nth_newest(*policy_.archive, is_counted);
    }
    // The way to a branch that was left would otherwise keep the WAL of all the others, too.
    for (std::size_t i = from; i < size(); ++i)
      verdicts_[i].continuous_wal = verdicts_[i].keep && !only_way_[i];
  }

  std::span<const RetentionBackup> backups_;
  const RetentionPolicy& policy_;
  Timestamp now_;
  Timestamp newest_{};  // of those that count
  std::vector<RetentionVerdict> verdicts_;
  /// For what is older than max-age: the rules that would have kept it.
  std::vector<std::optional<std::vector<std::string>>> outweighed_;
  std::vector<bool> only_way_;  // kept for nothing but the way to a branch
};

}  // namespace

bool RetentionPolicy::keeps_backups() const {
  return full || diff || keep_last || keep_within ||
         std::any_of(std::begin(kCalendarRules), std::end(kCalendarRules),
                     [&](const CalendarRule& rule) { return (this->*rule.count).has_value(); });
}

std::vector<RetentionVerdict> apply_retention(std::span<const RetentionBackup> backups,
                                              const RetentionPolicy& policy, Timestamp now) {
  return Retention(backups, policy, now).run();
}

std::optional<MassRemoval> find_mass_removal(std::span<const RetentionBackup> backups,
                                             const RetentionPolicy& policy, Timestamp now) {
  const auto is_good = [&](const RetentionBackup& backup) {
    return !backup.damaged && backup.stop_time <= now;
  };
  const auto kept_of = [&](std::span<const RetentionBackup> some) {
    const auto verdicts = apply_retention(some, policy, now);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < some.size(); ++i) kept += is_good(some[i]) && verdicts[i].keep;
    return kept;
  };
  MassRemoval mass;
  mass.stored = static_cast<std::size_t>(std::count_if(backups.begin(), backups.end(), is_good));
  mass.most_kept = kept_of(backups);
  mass.removed = mass.stored - mass.most_kept;
  // As it was after each earlier backup, the latest first: in a rotation that one tells already.
  for (std::size_t made = backups.size(); mass.stored > 2 * mass.most_kept; --made) {
    if (made <= mass.most_kept) return mass;  // so few were no more
    mass.most_kept = std::max(mass.most_kept, kept_of(backups.first(made)));
  }
  return std::nullopt;
}

bool is_last_good(std::span<const RetentionBackup> backups, std::size_t which) {
  const RetentionBackup& one = backups[which];
  if (one.damaged) return false;
  for (std::size_t i = 0; i < backups.size(); ++i) {
    const RetentionBackup& other = backups[i];
    if (i == which || other.damaged || (other.left && !one.left)) continue;
    if (other.cluster == one.cluster || i > which) return false;
  }
  return true;
}

}  // namespace pgcairn::repo
