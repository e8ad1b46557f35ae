#include "command/settings/zone.hpp"

#include <pgcairn/repo/retention.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;

namespace {

constexpr auto kHour = std::chrono::hours(1);
constexpr auto kDay = std::chrono::hours(24);

Timestamp at(std::string_view utc) {
  return parse_utc(std::string(utc) + "Z").value();
}

/// Backups that end at these times: "F 2026-11-21T01:02:03", oldest first.
std::vector<RetentionBackup> made(std::initializer_list<std::string_view> lines) {
  std::vector<RetentionBackup> backups;
  for (const std::string_view line : lines) {
    RetentionBackup backup;
    backup.type = line[0] == 'F'   ? BackupType::full
                  : line[0] == 'D' ? BackupType::differential
                                   : BackupType::incremental;
    backup.stop_time = at(line.substr(2));
    backup.label = full_backup_label(backup.stop_time);
    backup.cluster = "15-1";
    backups.push_back(std::move(backup));
  }
  return backups;
}

/// A backup a day, the last on 2026-11-21 at noon.
std::vector<RetentionBackup> daily(int count, BackupType type = BackupType::full) {
  std::vector<RetentionBackup> backups;
  for (int i = count - 1; i >= 0; --i) {
    RetentionBackup backup;
    backup.type = type;
    backup.stop_time = at("2026-11-21T12:00:00") - i * kDay;
    backup.label = full_backup_label(backup.stop_time);
    backup.cluster = "15-1";
    backups.push_back(std::move(backup));
  }
  return backups;
}

/// Which stay: "-" and "k" for each, "K" where WAL is continuous.
std::string kept(const std::vector<RetentionBackup>& backups, const RetentionPolicy& policy,
                 Timestamp now = at("2026-11-21T13:00:00")) {
  std::string text;
  for (const RetentionVerdict& verdict : apply_retention(backups, policy, now))
    text += verdict.keep ? (verdict.continuous_wal ? 'K' : 'k') : '-';
  return text;
}

std::string reasons(const RetentionVerdict& verdict) {
  std::string text;
  for (const std::string& reason : verdict.reasons) text += (text.empty() ? "" : ", ") + reason;
  return text;
}

RetentionPolicy policy_with(const std::function<void(RetentionPolicy&)>& set) {
  RetentionPolicy policy;
  set(policy);
  return policy;
}

}  // namespace

TEST_CASE("without a rule nothing goes, whatever the floor and the archive say") {
  CHECK(kept(daily(3), {}) == "KKK");
  RetentionPolicy policy;
  policy.keep_min = 1;
  CHECK(policy.empty());
  CHECK(kept(daily(3), policy) == "KKK");
  policy.archive = 1;
  CHECK_FALSE(policy.empty());
  CHECK(kept(daily(3), policy) == "kkK");
  CHECK(kept({}, policy) == "");
}

TEST_CASE("retention-full and retention-diff count as pgBackRest does") {
  const auto backups =
      made({"F 2026-11-01T00:00:00", "I 2026-11-02T00:00:00", "F 2026-11-03T00:00:00",
            "I 2026-11-04T00:00:00", "D 2026-11-05T00:00:00", "I 2026-11-06T00:00:00",
            "D 2026-11-07T00:00:00", "I 2026-11-08T00:00:00"});
  RetentionPolicy policy;
  policy.full = 1;
  CHECK(kept(backups, policy) == "--KKKKKK");
  policy.diff = 1;
  CHECK(kept(backups, policy) == "--K---KK");
  policy.diff = 2;
  CHECK(kept(backups, policy) == "--K-KKKK");
  policy.full = 2;
  policy.diff = 3;  // the full one is the third
  CHECK(kept(backups, policy) == "K-KKKKKK");
  policy.full.reset();
  policy.diff = 1;
  CHECK(kept(backups, policy) == "K-K---KK");
  policy.full = 9;
  policy.diff.reset();
  CHECK(kept(backups, policy) == "KKKKKKKK");
}

TEST_CASE("retention-full in days keeps what all of the days need") {
  RetentionPolicy policy;
  policy.full_in_days = true;
  policy.full = 3;
  CHECK(kept(daily(6), policy) == "--KKKK");
  // 4 days: the full backup before them is the only one from which the fourth day can be reached.
  const auto backups = made({"F 2026-11-10T00:00:00", "F 2026-11-15T00:00:00",
                             "I 2026-11-16T00:00:00", "F 2026-11-20T00:00:00"});
  policy.full = 4;
  CHECK(kept(backups, policy) == "-KKK");
  policy.full = 6;
  CHECK(kept(backups, policy) == "KKKK");
}

TEST_CASE("a backup stays if any rule keeps it, and says by which") {
  RetentionPolicy policy;
  policy.keep_last = 2;
  policy.keep_daily = 3;
  policy.keep_monthly = 2;
  const auto backups =
      made({"F 2026-10-30T00:00:00", "F 2026-10-31T00:00:00", "F 2026-11-19T00:00:00",
            "I 2026-11-20T01:00:00", "I 2026-11-20T02:00:00", "I 2026-11-21T01:00:00"});
  CHECK(kept(backups, policy) == "-KK-KK");
  const auto verdicts = apply_retention(backups, policy, at("2026-11-21T13:00:00"));
  CHECK(reasons(verdicts[0]) == "no rule keeps it");
  CHECK(reasons(verdicts[1]) == "keep-monthly 2026-10");
  CHECK(reasons(verdicts[2]) == "keep-daily 2026-11-19");
  CHECK(reasons(verdicts[4]) == "keep-last 2, keep-daily 2026-11-20");
  CHECK(reasons(verdicts[5]) ==
        "keep-last 2, keep-daily 2026-11-21, keep-monthly 2026-11, the newest backup, "
        "the last good backup of its cluster");
}

TEST_CASE("each calendar rule keeps the last backup of each period") {
  const auto backups =
      made({"F 2024-12-30T00:00:00", "F 2025-01-01T00:00:00", "F 2025-12-28T23:00:00",
            "F 2025-12-31T00:00:00", "F 2026-01-01T00:00:00", "F 2026-01-01T00:30:00"});
  const auto rule = [&](RetentionPolicy::Count RetentionPolicy::*count, std::uint32_t n) {
    RetentionPolicy policy;
    policy.*count = n;
    return kept(backups, policy);
  };
  CHECK(rule(&RetentionPolicy::keep_yearly, 9) == "K--K-K");
  CHECK(rule(&RetentionPolicy::keep_yearly, 2) == "---K-K");
  CHECK(rule(&RetentionPolicy::keep_quarterly, 9) == "KK-K-K");
  CHECK(rule(&RetentionPolicy::keep_quarterly, 2) == "---K-K");
  CHECK(rule(&RetentionPolicy::keep_monthly, 9) == "KK-K-K");
  // 2024-12-30 and 2025-01-01 are both in 2025-W01, 2025-12-31 and 2026-01-01 in 2026-W01.
  CHECK(rule(&RetentionPolicy::keep_weekly, 9) == "-KK--K");
  CHECK(rule(&RetentionPolicy::keep_weekly, 1) == "-----K");
  CHECK(rule(&RetentionPolicy::keep_daily, 9) == "KKKK-K");
  CHECK(rule(&RetentionPolicy::keep_hourly, 9) == "KKKK-K");
  const auto weekly = policy_with([](auto& policy) { policy.keep_weekly = 9; });
  CHECK(apply_retention(backups, weekly, at("2026-02-01T00:00:00"))[5].reasons.front() ==
        "keep-weekly 2026-W01");
}

TEST_CASE("quarters begin in January, April, July and October, by the operator's clocks") {
  RetentionPolicy policy;
  policy.keep_quarterly = 9;
  const auto year = made({"F 2026-01-01T00:00:00", "F 2026-03-31T23:59:59", "F 2026-04-01T00:00:00",
                          "F 2026-06-30T23:59:59", "F 2026-07-01T00:00:00", "F 2026-09-30T23:59:59",
                          "F 2026-10-01T00:00:00", "F 2026-12-31T23:59:59"});
  const Timestamp later = at("2027-01-01T00:00:00");
  CHECK(kept(year, policy, later) == "-K-K-K-K");
  const char* names[] = {"2026-Q1", "2026-Q2", "2026-Q3", "2026-Q4"};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(apply_retention(year, policy, later)[2 * i + 1].reasons.front() ==
          std::string("keep-quarterly ") + names[i]);
  }
  policy.keep_quarterly = 3;
  CHECK(kept(year, policy, later) == "---K-K-K");
  // One hour ahead of UTC, the last second of a quarter is in the next one.
  policy.keep_quarterly = 9;
  policy.offset_at = [](Timestamp) { return std::chrono::hours(1); };
  CHECK(kept(year, policy, later) == "K-K-K-KK");
}

TEST_CASE("max-age outweighs the rules that keep, but no minimum and no last good backup") {
  struct Row {
    const char* what;
    std::function<void(RetentionPolicy&)> rules;
    const char* kept;  // of a backup a day: 2 days are the last three
  };
  const Row rows[] = {
      {"alone it keeps what is not older", [](auto&) {}, "---KKK"},
      {"a count of backups", [](auto& one) { one.keep_last = 5; }, "---KKK"},
      {"a count of backups that it need not limit", [](auto& one) { one.keep_last = 2; }, "----KK"},
      {"full backups", [](auto& one) { one.full = 5; }, "---KKK"},
      {"a longer span", [](auto& one) { one.keep_within = 4 * kDay; }, "---KKK"},
      {"a count of days", [](auto& one) { one.keep_daily = 6; }, "---KKK"},
      {"a least number", [](auto& one) { one.keep_min = 4; }, "--KKKK"},
      {"a least age", [](auto& one) { one.keep_min_age = 4 * kDay; }, "-KKKKK"},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    const auto policy = policy_with([&](auto& one) {
      one.max_age = 2 * kDay;
      row.rules(one);
    });
    CHECK(policy.chooses_backups());
    CHECK(kept(daily(6), policy) == row.kept);
    // A clock that is a year ahead, and a year without backups, make nothing go.
    CHECK(kept(daily(6), policy, at("2027-11-21T13:00:00")) == row.kept);
  }
  const auto policy = policy_with([](auto& one) {
    one.max_age = 2 * kDay;
    one.keep_last = 9;
  });
  auto backups = daily(6);
  backups[0].cluster = "13-7";
  backups[1].holds = {"audit"};
  CHECK(kept(backups, policy) == "KK-KKK");
  // The newest good one is what the age is measured by, and stays as old as it is.
  for (std::size_t i = 2; i < 6; ++i) backups[i].damaged = true;
  CHECK(kept(backups, policy) == "KKKKKK");
  CHECK(kept(made({"F 2026-01-01T00:00:00", "F 2026-11-21T00:00:00"}), policy) == "-K");

  const auto verdicts = apply_retention(daily(4), policy, at("2026-11-21T13:00:00"));
  CHECK(reasons(verdicts[0]) == "older than max-age 2d, against keep-last 9");
  CHECK(reasons(verdicts[1]) == "keep-last 9");
  const auto alone = policy_with([](auto& one) { one.max_age = 2 * kDay; });
  const auto by_age = apply_retention(daily(4), alone, at("2026-11-21T13:00:00"));
  CHECK(reasons(by_age[0]) == "older than max-age 2d");
  CHECK(reasons(by_age[1]) == "max-age 2d");
}

TEST_CASE("days are those of the operator's zone, and an hour that comes twice is two") {
  const auto berlin = command::named_zone("Europe/Berlin");
  REQUIRE(berlin);
  RetentionPolicy policy;
  policy.offset_at = [&](Timestamp when) {
    return berlin->offset_at(std::chrono::floor<std::chrono::seconds>(when));
  };
  policy.keep_daily = 9;
  // 23:30 on the 20th and 00:30 on the 21st in Berlin are one day in UTC.
  const auto night = made({"F 2026-11-20T22:30:00", "F 2026-11-20T23:30:00"});
  CHECK(kept(night, policy) == "KK");
  CHECK(kept(night, policy_with([](auto& utc) { utc.keep_daily = 9; })) == "-K");
  // In summer the day begins two hours before UTC's.
  CHECK(kept(made({"F 2026-07-01T21:30:00", "F 2026-07-01T22:30:00"}), policy) == "KK");
  CHECK(kept(made({"F 2026-07-01T22:30:00", "F 2026-07-01T23:30:00"}), policy) == "-K");

  // 2026-10-25: 02:00 to 03:00 comes twice in Berlin; 2026-03-29: it does not come at all.
  policy.keep_daily.reset();
  policy.keep_hourly = 9;
  const auto autumn = made({"F 2026-10-25T00:10:00", "F 2026-10-25T00:50:00",
                            "F 2026-10-25T01:10:00", "F 2026-10-25T01:50:00"});
  CHECK(kept(autumn, policy) == "-K-K");
  const auto verdicts = apply_retention(autumn, policy, at("2026-11-21T13:00:00"));
  CHECK(verdicts[1].reasons.front() == "keep-hourly 2026-10-25 02:00+02:00");
  CHECK(verdicts[3].reasons.front() == "keep-hourly 2026-10-25 02:00+01:00");
  CHECK(kept(made({"F 2026-03-29T00:50:00", "F 2026-03-29T01:10:00"}), policy) == "KK");
  // The 25 hours of that day are one.
  policy.keep_hourly.reset();
  policy.keep_daily = 1;
  CHECK(kept(made({"F 2026-10-24T22:00:00", "F 2026-10-25T22:59:00"}), policy) == "-K");
  CHECK(kept(made({"F 2026-10-24T21:59:00", "F 2026-10-25T22:59:00"}), policy) == "-K");
}

TEST_CASE("spans are counted back from the newest backup") {
  const auto within = policy_with([](auto& policy) { policy.keep_within = 2 * kDay; });
  CHECK(kept(daily(5), within) == "--KKK");
  // A clock that is a year ahead, and a year without backups, make nothing go.
  CHECK(kept(daily(5), within, at("2027-11-21T13:00:00")) == "--KKK");
  const auto for_ever = policy_with([](auto& policy) { policy.keep_within = milliseconds::max(); });
  CHECK(kept(daily(5), for_ever) == "KKKKK");
}

TEST_CASE("months and years of a span are those of the calendar, by the operator's clocks") {
  const auto within = [](CalendarSpan span, auto... lines) {
    return kept(made({lines...}), policy_with([&](auto& policy) { policy.keep_within = span; }),
                at("2027-01-01T00:00:00"));
  };
  const CalendarSpan half_a_year = parse_calendar_span("6mo").value();
  CHECK(within(half_a_year, "F 2026-05-30T11:59:59", "F 2026-05-30T12:00:00",
               "F 2026-11-30T12:00:00") == "-KK");
  const CalendarSpan year = parse_calendar_span("1y").value();
  CHECK(within(year, "F 2025-11-21T11:59:59", "F 2025-11-21T12:00:00", "F 2026-11-21T12:00:00") ==
        "-KK");
  const auto policy = policy_with([&](auto& one) { one.keep_within = half_a_year; });
  CHECK(apply_retention(daily(1), policy, at("2027-01-01T00:00:00"))[0].reasons[0] ==
        "keep-within 6mo");
}

TEST_CASE("mass removal: more than twice what the rules would ever have kept") {
  struct Row {
    const char* what;
    int fulls, incrementals_each, incrementals_on_the_last;
    RetentionPolicy policy;
    bool mass;
  };
  const auto full = [](std::uint32_t n) {
    return policy_with([&](auto& policy) { policy.full = n; });
  };
  const auto last = [](std::uint32_t n) {
    return policy_with([&](auto& policy) { policy.keep_last = n; });
  };
  const auto within = [](CalendarSpan span) {
    return policy_with([&](auto& policy) { policy.keep_within = span; });
  };
  const auto oldest = [](CalendarSpan span) {
    return policy_with([&](auto& policy) {
      policy.keep_last = 60;
      policy.max_age = span;
    });
  };
  const Row rows[] = {
      {"a week goes when the next full backup is there", 2, 6, 0, full(1), false},
      {"an expire that comes a day late", 2, 6, 1, full(1), false},
      {"an expire once a week", 2, 6, 6, full(1), false},
      {"four weeks, a fifth begins", 5, 6, 0, full(4), false},
      {"twelve weeks become one", 13, 6, 0, full(1), true},
      {"twelve weeks become six", 13, 6, 0, full(6), true},
      {"twelve weeks become seven", 13, 6, 0, full(7), false},
      {"one of two", 2, 0, 0, last(1), false},
      {"two of three", 3, 0, 0, last(1), true},
      {"thirty become one, on the day of a full backup", 2, 29, 0, last(1), true},
      {"thirty become fifteen", 1, 29, 29, last(15), false},
      {"hours instead of days", 1, 13, 13, within(std::chrono::hours(14)), true},
      {"the days as they were meant", 1, 13, 13, within(14 * kDay), false},
      {"a first rule for what had none", 50, 0, 0, full(4), true},
      {"thirty days, and a limit of thirteen", 1, 29, 29, oldest(13 * kDay), true},
      {"thirty days, and a limit of fourteen", 1, 29, 29, oldest(14 * kDay), false},
      {"no rule", 50, 0, 0, RetentionPolicy(), false},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    std::vector<RetentionBackup> backups;
    Timestamp when = at("2025-11-21T12:00:00");
    const auto add = [&](BackupType type) {
      RetentionBackup backup;
      backup.type = type;
      backup.stop_time = when;
      backup.label = full_backup_label(when);
      backup.cluster = "15-1";
      backups.push_back(std::move(backup));
      when += kDay;
    };
    for (int i = 0; i < row.fulls; ++i) {
      add(BackupType::full);
      const bool is_last = i + 1 == row.fulls;
      const int more = is_last ? row.incrementals_on_the_last : row.incrementals_each;
      for (int j = 0; j < more; ++j) add(BackupType::incremental);
    }
    CHECK(find_mass_removal(backups, row.policy, when).has_value() == row.mass);
  }
}

TEST_CASE("damaged backups and those of the future are none of the good ones that would go") {
  auto backups = daily(4);
  const auto policy = policy_with([](auto& one) { one.keep_last = 1; });
  CHECK(find_mass_removal(backups, policy, at("2026-11-21T13:00:00"))->removed == 3);
  backups[0].damaged = backups[1].damaged = true;
  CHECK_FALSE(find_mass_removal(backups, policy, at("2026-11-21T13:00:00")));
  CHECK_FALSE(find_mass_removal(daily(4), policy, at("2026-11-19T13:00:00")));
  CHECK_FALSE(find_mass_removal({}, policy, at("2026-11-21T13:00:00")));
}

TEST_CASE("a backup from the future stays and makes none go") {
  auto backups = daily(4);
  backups.push_back(backups.back());
  backups.back().stop_time = at("2031-01-01T00:00:00");
  const auto last = policy_with([](auto& policy) { policy.keep_last = 1; });
  CHECK(kept(backups, last) == "---KK");
  const auto within = policy_with([](auto& policy) { policy.keep_within = kHour; });
  CHECK(kept(backups, within) == "---KK");
  const auto yearly = policy_with([](auto& policy) { policy.keep_yearly = 1; });
  CHECK(kept(backups, yearly) == "---KK");
  CHECK(reasons(apply_retention(backups, last, at("2026-11-21T13:00:00"))[4]) ==
        "keep-last 1, the newest backup, its time is in the future");
  // A clock that is set back sees all in the future.
  CHECK(kept(daily(4), last, at("2020-01-01T00:00:00")) == "KKKK");
  // One made by a clock that stood in the past is still the newest.
  auto past = daily(4);
  past[3].stop_time = at("1999-01-01T00:00:00");
  CHECK(kept(past, last) == "---K");
  CHECK(kept(past, within) == "KKKK");
}

TEST_CASE("a damaged backup counts for no rule") {
  auto backups = daily(5);
  backups[3].damaged = true;
  const auto last = policy_with([](auto& policy) { policy.keep_last = 2; });
  CHECK(kept(backups, last) == "--KKK");
  backups[4].damaged = true;
  CHECK(kept(backups, last) == "-KKKK");
  const auto days = policy_with([](auto& policy) { policy.keep_daily = 1; });
  CHECK(kept(backups, days) == "--K-K");
  for (RetentionBackup& backup : backups) backup.damaged = true;
  CHECK(kept(backups, days) == "----K");
}

TEST_CASE("held backups, the newest, and the last good one of each cluster stay") {
  auto backups = daily(6);
  backups[0].cluster = backups[1].cluster = "13-7";
  backups[3].holds = {"audit", "court"};
  backups[5].damaged = true;
  const auto days = policy_with([](auto& policy) { policy.keep_daily = 1; });
  CHECK(kept(backups, days) == "-K-KKK");
  const auto verdicts = apply_retention(backups, days, at("2026-11-21T13:00:00"));
  CHECK(reasons(verdicts[1]) == "the last good backup of its cluster");
  CHECK(reasons(verdicts[3]) == "hold 'audit', hold 'court'");
  CHECK(reasons(verdicts[5]) == "the newest backup");
}

TEST_CASE("the floor is of backups and of days") {
  RetentionPolicy policy;
  policy.keep_last = 1;
  policy.keep_min = 3;
  CHECK(kept(daily(6), policy) == "---KKK");
  policy.keep_min_age = 4 * kDay;
  CHECK(kept(daily(6), policy) == "-KKKKK");
  // What rules keep counts.
  RetentionPolicy monthly;
  monthly.keep_monthly = 3;
  monthly.keep_min = 3;
  const auto backups = made({"F 2026-09-01T00:00:00", "F 2026-10-01T00:00:00",
                             "F 2026-11-01T00:00:00", "F 2026-11-02T00:00:00"});
  CHECK(kept(backups, monthly) == "KK-K");
  monthly.keep_min = 4;
  CHECK(kept(backups, monthly) == "KKKK");
}

TEST_CASE("retention-archive says from which backup on recovery can go anywhere") {
  const auto backups =
      made({"F 2026-11-01T00:00:00", "I 2026-11-02T00:00:00", "F 2026-11-03T00:00:00",
            "D 2026-11-04T00:00:00", "I 2026-11-05T00:00:00"});
  RetentionPolicy policy;
  policy.archive = 1;
  CHECK(kept(backups, policy) == "kkKKK");
  policy.archive_unit = ArchiveUnit::diff;
  CHECK(kept(backups, policy) == "kkkKK");
  policy.archive = 2;
  CHECK(kept(backups, policy) == "kkKKK");
  policy.archive_unit = ArchiveUnit::incr;
  CHECK(kept(backups, policy) == "kkkKK");
  policy.archive_unit = ArchiveUnit::time;
  CHECK(kept(backups, policy) == "kkKKK");
  policy.archive = 30;
  CHECK(kept(backups, policy) == "KKKKK");
  // Of kept ones.
  policy.archive_unit = ArchiveUnit::full;
  policy.archive = 2;
  policy.full = 1;
  CHECK(kept(backups, policy) == "--KKK");
}

TEST_CASE("backups on a branch that was left count for no rule, and one stays as the way to it") {
  // Two before timeline 2 left 1, three on 1 after that, and the newest branch's own.
  const auto made_of = [](int own) {
    std::vector<RetentionBackup> backups = daily(5 + own);
    for (std::size_t i = 0; i < backups.size(); ++i) {
      backups[i].left = i >= 2 && i < 5;
      backups[i].leads_to = i < 2   ? std::vector<Timeline>{2, 1}
                            : i < 5 ? std::vector<Timeline>{1}
                                    : std::vector<Timeline>{2};
    }
    return backups;
  };
  struct Row {
    RetentionPolicy policy;
    int own;
    const char* kept;
  };
  const auto last = policy_with([](auto& policy) { policy.keep_last = 2; });
  const auto full = policy_with([](auto& policy) { policy.full = 1; });
  const auto of_days = policy_with([](auto& policy) { policy.keep_daily = 2; });
  const Row rows[] = {
      // An old primary goes on: nothing that leads to the newest branch goes for what it takes.
      {last, 0, "KKKKK"},
      {full, 0, "-KKKK"},
      {of_days, 0, "KKKKK"},
      // The newest branch has some of its own: the others go, but for the way to the end of 1.
      {last, 1, "-KKKKK"},
      {last, 2, "----kKK"},
      {full, 1, "----kK"},
      {of_days, 3, "----k-KK"},
  };
  for (const Row& row : rows) {
    INFO(row.own << " " << row.kept);
    CHECK(kept(made_of(row.own), row.policy) == row.kept);
  }
  auto backups = made_of(2);
  auto verdicts = apply_retention(backups, last, at("2026-11-21T13:00:00"));
  CHECK(reasons(verdicts[4]) == "the last one on the way to timeline 1");
  CHECK(verdicts[4].way_to == std::vector<Timeline>{1});
  CHECK(verdicts[6].way_to == std::vector<Timeline>{2});
  // A damaged one is no way while there is a good one.
  backups[4].damaged = true;
  CHECK(kept(backups, last) == "---k-KK");
}

TEST_CASE("the operator's word removes any backup but the last that a restore can use") {
  struct Row {
    const char* what;
    std::string
        backups;       // a letter each: good, damaged, left on another branch, of the old cluster
    std::string last;  // L where it is the last good one
  };
  const Row rows[] = {
      {"the only one", "g", "L"},
      {"the newest of several is not the last", "ggg", "---"},
      {"a damaged one goes, whatever is left", "gd", "L-"},
      {"also if none is good", "dd", "--"},
      {"good ones before and after damaged ones", "gdg", "---"},
      {"one on a branch that was left does not stand in for one on the newest", "lg", "-L"},
      {"and goes itself", "gl", "L-"},
      {"only such ones", "ll", "--"},
      {"only one of them", "l", "L"},
      {"a later cluster has backups", "og", "-L"},
      {"a later cluster has two", "ogg", "---"},
      {"the later cluster's is damaged", "od", "L-"},
      {"two of the old cluster", "oo", "--"},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    auto backups = daily(static_cast<int>(row.backups.size()));
    std::string found;
    for (std::size_t i = 0; i < backups.size(); ++i) {
      backups[i].damaged = row.backups[i] == 'd';
      backups[i].left = row.backups[i] == 'l';
      if (row.backups[i] == 'o') backups[i].cluster = "13-7";
    }
    for (std::size_t i = 0; i < backups.size(); ++i) found += is_last_good(backups, i) ? 'L' : '-';
    CHECK(found == row.last);
  }
}
