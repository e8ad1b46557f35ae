#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/status/health.hpp>

#include <functional>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace std::chrono_literals;

namespace {

const Timestamp kWhen = *parse_utc("2026-11-21T12:00:00Z");

HealthLimits limits() {
  HealthLimits limits;
  limits.backup_age_seconds = {100, 200};
  limits.backup_count = {3, 2};
  limits.wal_lag_bytes = {64.0 * kMiB, 128.0 * kMiB};
  limits.free_space_percent = {20, 10};
  limits.size_change_percent = {300, 600};
  limits.verify_age_seconds = {1000, 2000};
  limits.drill_age_seconds = {1000, 2000};
  return limits;
}

repo::BackupMarker backup(int number, std::chrono::seconds age) {
  repo::BackupMarker info;
  info.label = format("2026112{}-010203F", number);
  info.stop_time = kWhen - age;
  info.cluster_bytes = 100 * kMiB;
  info.stored_bytes = 10 * kMiB;
  return info;
}

repo::Record record(repo::RecordContent content, std::chrono::seconds age) {
  return {format("record-{}", age.count()), kWhen - age, "db1", std::move(content)};
}

/// All is well.
HealthFacts well() {
  HealthFacts facts;
  facts.stanza = "main";
  facts.when = kWhen;
  facts.server.pg_version = 15;
  facts.server.archives = true;
  facts.server.current = {0x5000000};
  facts.pg_wal_space = Space{1000, 500};
  RepositoryFacts one;
  one.name = "local";
  for (int i = 0; i < 5; ++i) one.newest.push_back(backup(i, std::chrono::seconds(500 - i * 100)));
  one.newest.back().stop_time = kWhen - 50s;
  for (const auto& known : one.newest) one.labels.push_back(known.label);
  one.oldest_backup = kWhen - 500s;
  one.wal_last = "000000010000000000000004";
  Outlook outlook;
  outlook.backup = one.labels.back();
  outlook.timeline = 1;
  outlook.to = {0x5000000};
  outlook.first = outlook.last = one.wal_last;
  one.outlook = outlook;
  one.directory = "/repo";
  one.space = Space{1000, 500};
  one.record_state.emplace(std::vector<repo::Record>(), kWhen);
  facts.repositories = {one};
  return facts;
}

/// "warning backup-age" for each finding that is not ok.
std::string found(const HealthFacts& facts, const HealthLimits& with = limits()) {
  std::string text;
  for (const HealthFinding& finding : evaluate_health(facts, with)) {
    if (finding.level == HealthLevel::ok) continue;
    text += format("{}{} {}", text.empty() ? "" : ", ", name_of(finding.level), finding.check);
  }
  return text;
}

std::string found_after(const std::function<void(HealthFacts&, RepositoryFacts&)>& change) {
  HealthFacts facts = well();
  change(facts, facts.repositories.front());
  return found(facts);
}

void set_records(RepositoryFacts& one, std::vector<repo::Record> records) {
  one.record_state.emplace(std::move(records), kWhen);
}

}  // namespace

TEST_CASE("health of a stanza where all is well") {
  CHECK(found(well()).empty());
  const auto findings = evaluate_health(well(), limits());
  std::string checks;
  for (const HealthFinding& finding : findings) checks += finding.check + " ";
  CHECK(checks ==
        "server archiver pg-wal-space repository restorable backup-count backup-age verify drill "
        "backup-size wal-lag free-space ");
  CHECK(worst_of(findings) == HealthLevel::ok);
  CHECK(findings[6].value == 50.0);
  CHECK(findings[6].unit == "s");
  CHECK(findings[6].repository == "local");
}

TEST_CASE("a primary that is not where a restore leads is a critical finding") {
  const auto with = [](Timeline ours, Timeline followed, const std::string& last,
                       std::uint64_t went_on = 0) {
    return found_after([&](HealthFacts& facts, RepositoryFacts& one) {
      facts.server.timeline = ours;
      if (ours != 0) facts.server.current_after = {facts.server.current.value + went_on};
      one.outlook->timeline = followed;
      one.wal_last = last;
    });
  };
  const std::string written = "000000020000000000000004";
  const std::string later = "000000020000000000000006";  // the server has come to 0/5000000
  CHECK(with(2, 2, written).empty());
  CHECK(with(2, 3, written) == "critical branch");
  CHECK(with(2, 1, written).empty());  // promoted, and nothing archived since
  // How much is behind is then not known.
  CHECK(with(2, 2, later) == "critical branch, unknown wal-lag");
  CHECK(with(2, 2, "000000020000000000000005") == "critical branch, unknown wal-lag");
  CHECK(with(2, 2, later, 2 * kMiB * 16).empty());        // archived after the server was asked
  CHECK(with(2, 1, "000000010000000000000006").empty());  // of the one it left
  CHECK(with(0, 3, later).empty());                       // a standby, or not known
}

TEST_CASE("a newer backup on a branch that was left does not count as the cluster's newest") {
  const auto aged = [](std::chrono::seconds age) {
    return found_after([&](HealthFacts&, RepositoryFacts& one) {
      one.outlook->newest_on_way = one.labels.front();
      one.outlook->newest_stop = kWhen - age;
    });
  };
  CHECK(aged(99s).empty());
  CHECK(aged(150s) == "warning backup-age");
  CHECK(aged(250s) == "critical backup-age");
}

TEST_CASE("what was measured is compared with both limits") {
  struct Case {
    std::function<void(HealthFacts&, RepositoryFacts&)> change;
    const char* found;
  };
  const Case cases[] = {
      {[](auto&, auto& one) { one.newest.back().stop_time = kWhen - 100s; }, ""},
      {[](auto&, auto& one) { one.newest.back().stop_time = kWhen - 101s; }, "warning backup-age"},
      {[](auto&, auto& one) { one.newest.back().stop_time = kWhen - 201s; }, "critical backup-age"},
      {[](auto&, auto& one) { one.newest.back().stop_time = kWhen + 5min; }, ""},
      {[](auto&, auto& one) { one.newest.back().stop_time = kWhen + 11min; }, "unknown backup-age"},
      {[](auto&, auto& one) { one.labels.resize(3); }, ""},
      {[](auto&, auto& one) { one.labels.resize(2); }, "warning backup-count"},
      {[](auto&, auto& one) { one.labels.resize(1); }, "critical backup-count"},
      {[](auto&, auto& one) { one.newest.back().stored_bytes = 30 * kMiB; }, ""},
      {[](auto&, auto& one) { one.newest.back().stored_bytes = 31 * kMiB; }, "warning backup-size"},
      {[](auto&, auto& one) { one.newest.back().stored_bytes = 61 * kMiB; },
       "critical backup-size"},
      {[](auto&, auto& one) { one.newest.back().stored_bytes = 3 * kMiB; }, "warning backup-size"},
      {[](auto&, auto& one) { one.newest.back().cluster_bytes = kMiB; }, "critical backup-size"},
      {[](auto&, auto& one) {
         one.newest.back().type = repo::BackupType::incremental;
         one.newest.back().stored_bytes = 0;
       },
       ""},
      {[](auto& facts, auto&) { facts.server.current = {0x5000000 + 64 * kMiB}; }, ""},
      {[](auto& facts, auto&) { facts.server.current = {0x5000001 + 64 * kMiB}; },
       "warning wal-lag"},
      {[](auto& facts, auto&) { facts.server.current = {0x5000001 + 128 * kMiB}; },
       "critical wal-lag"},
      {[](auto& facts, auto&) { facts.pg_wal_space->free_bytes = 199; }, "warning pg-wal-space"},
      {[](auto&, auto& one) { one.space->free_bytes = 200; }, ""},
      {[](auto&, auto& one) { one.space->free_bytes = 99; }, "critical free-space"},
  };
  for (const Case& one : cases) {
    INFO(&one - cases);
    CHECK(found_after(one.change) == one.found);
  }
}

TEST_CASE("what cannot be found out is unknown, never ok") {
  CHECK(found_after([](auto& facts, auto&) { facts.server.error = "refused"; }) ==
        "unknown server");
  CHECK(found_after([](auto&, auto& one) { one.error = "gone"; }) == "unknown repository");
  CHECK(found_after([](auto&, auto& one) { one.wal_last.clear(); }) == "unknown wal-lag");
  CHECK(found_after([](auto&, auto& one) { one.space.reset(); }) == "unknown free-space");
  CHECK(found_after([](auto& facts, auto&) { facts.pg_wal_space.reset(); }) ==
        "unknown pg-wal-space");
  CHECK(found_after([](auto& facts, auto&) {
          facts.pg_wal_space.reset();
          facts.server_here = false;  // on another host: nobody asked
        }).empty());
  CHECK(found_after([](auto&, auto& one) { one.newest.clear(); }) == "critical backup-age");
  CHECK(found_after([](auto&, auto& one) { one.unreadable = {"a marker is damaged"}; }) ==
        "critical repository");
}

TEST_CASE("no backup is critical, unless another repository has them") {
  const auto none = [](RepositoryFacts& one) {
    one.newest.clear();
    one.labels.clear();
    one.oldest_backup.reset();
  };
  CHECK(found_after([&](auto&, auto& one) { none(one); }) ==
        "critical backup-count, critical backup-age");
  HealthFacts facts = well();
  facts.repositories.push_back(facts.repositories.front());
  none(facts.repositories.back());
  CHECK(found(facts).empty());
}

TEST_CASE("the archiver and leases and stops") {
  CHECK(found_after([](auto& facts, auto&) { facts.server.archives = false; }) ==
        "warning archiver");
  CHECK(found_after([](auto& facts, auto&) { facts.server.failing = "0001"; }) ==
        "warning archiver");
  const auto held = [](std::chrono::seconds age) {
    return found_after([age](auto&, auto& one) {
      one.lease = repo::LeaseState{};
      one.lease->held = true;
      one.lease->operation = "backup";
      one.lease->time = kWhen - age;
      one.lease->valid_for = 120s;
    });
  };
  CHECK(held(119s).empty());
  CHECK(held(120s) == "warning lease");
  CHECK(found_after([](auto&, auto& one) {
          set_records(one, {record(repo::StopRecord{"work"}, 10s)});
        }) == "warning stop");
  CHECK(found_after([](auto& facts, auto&) { facts.stopped_here = ": work"; }) == "warning stop");
}

TEST_CASE("what verify and drill found, and how long ago") {
  const std::string label = backup(2, 0s).label;
  repo::VerifyRecord bad;
  bad.level = "full";
  bad.backups = {label};
  bad.damaged = {label};
  const auto after = [](std::vector<repo::Record> records) {
    return found_after([&](auto&, auto& one) { set_records(one, records); });
  };
  CHECK(after({record(repo::VerifyRecord{}, 900s)}).empty());
  CHECK(after({record(repo::VerifyRecord{}, 1001s)}) == "warning verify");
  CHECK(after({record(repo::VerifyRecord{}, 2001s)}) == "critical verify");
  CHECK(after({record(bad, 10s)}) == "critical verify");
  CHECK(after({record(repo::DrillRecord{label, true, {}}, 1001s)}) == "warning drill");
  CHECK(after({record(repo::DrillRecord{label, false, {"no"}}, 10s)}) == "critical drill");
  // The last drill counts.
  CHECK(after({record(repo::DrillRecord{label, false, {"no"}}, 20s),
               record(repo::DrillRecord{label, true, {}}, 10s)})
            .empty());
  // Of a backup that is gone nobody needs to know.
  bad.backups = bad.damaged = {"20200101-010203F"};
  CHECK(after({record(bad, 10s)}).empty());
  // While there was none, the oldest backup's age counts.
  CHECK(found_after([](auto&, auto& one) { one.oldest_backup = kWhen - 1500s; }) ==
        "warning verify, warning drill");
}

TEST_CASE("a limit of nothing is not looked at") {
  HealthFacts facts = well();
  RepositoryFacts& one = facts.repositories.front();
  one.newest.back().stop_time = kWhen - 100h;
  one.newest.back().stored_bytes = 1000 * kMiB;
  one.oldest_backup = kWhen - 10000h;
  one.space.reset();
  facts.pg_wal_space.reset();
  facts.server.current = {UINT64_MAX / 2};
  CHECK(found(facts, {}).empty());
}

TEST_CASE("the worst of findings: critical before unknown before warning") {
  const auto worst = [](std::vector<HealthLevel> levels) {
    std::vector<HealthFinding> findings;
    for (const HealthLevel level : levels) {
      findings.emplace_back();
      findings.back().level = level;
    }
    return worst_of(findings);
  };
  using enum HealthLevel;
  CHECK(worst({}) == ok);
  CHECK(worst({ok, warning, ok}) == warning);
  CHECK(worst({unknown, warning}) == unknown);
  CHECK(worst({critical, unknown}) == critical);
}
