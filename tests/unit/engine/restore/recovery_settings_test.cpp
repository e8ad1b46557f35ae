#include "engine/restore/recovery_settings.hpp"

#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

const RecoveryTarget kTime = TimeTarget{*parse_utc("2026-11-21T02:41:07.500000Z")};
const RecoveryTarget kLsn = LsnTarget{Lsn{0x5000060}};

RestorePlan plan_of(const RecoveryTarget& target) {
  RestorePlan plan;
  plan.backup.timeline = 1;
  plan.backup.pg_version = 15;
  plan.path = {{1, {}, {}}};
  plan.server_latest = 1;
  plan.options.target = target;
  plan.options.restore_command = "get";
  return plan;
}

std::string text(const RestorePlan& plan) {
  std::string all = signal_file(plan.options.target.type());
  for (const auto& [name, value] : recovery_settings(plan)) all += format(" {}={}", name, value);
  return all;
}

/// The settings of a target that is not set, and `last` of those that are there in every recovery
/// but a standby's.
std::string without(std::string_view own, std::string_view inclusive = "true",
                    std::string_view action = "pause") {
  std::string all;
  for (const std::string_view name : postgres::target_settings()) {
    if (name != own) all += format("{}= ", name);
  }
  return all + format("recovery_target_inclusive={} recovery_target_action={} ", inclusive, action);
}
constexpr const char* kRest =
    " recovery_end_command= archive_cleanup_command= recovery_min_apply_delay=0 "
    "promote_trigger_file=";

}  // namespace

TEST_CASE("each type of restore has its settings, and the server finds no other target") {
  struct Row {
    RecoveryTarget target;
    const char* name;
    const char* value;
  };
  const Row rows[] = {
      {RestoreType::immediate, "recovery_target", "immediate"},
      {kTime, "recovery_target_time", "2026-11-21 02:41:07.500000+00"},
      {XidTarget{777}, "recovery_target_xid", "777"},
      {kLsn, "recovery_target_lsn", "0/5000060"},
      {NameTarget{"before"}, "recovery_target_name", "before"},
  };
  for (const Row& row : rows) {
    CHECK(text(plan_of(row.target)) ==
          format("recovery.signal restore_command=get {}recovery_target_timeline=current{} {}={}",
                 without(row.name), kRest, row.name, row.value));
  }
  CHECK(text(plan_of(RestoreType::latest)) ==
        format("recovery.signal restore_command=get {}recovery_target_timeline=current{}",
               without(""), kRest));
  CHECK(
      text(plan_of(RestoreType::standby)) ==
      format("standby.signal restore_command=get {}recovery_target_timeline=latest", without("")));
  CHECK(text(plan_of(RestoreType::preserve)).empty());
  CHECK(text(plan_of(RestoreType::none)).empty());
}

TEST_CASE("a server is told nothing that its version does not know") {
  RestorePlan plan = plan_of(RestoreType::latest);
  plan.backup.pg_version = 16;
  CHECK(text(plan).find("promote_trigger_file") == std::string::npos);
}

TEST_CASE("where no record follows the backup, recovery ends at the last one") {
  RestorePlan plan = plan_of(RestoreType::immediate);
  plan.way.stop_after = Lsn{0x3000060};
  CHECK(text(plan) ==
        format("recovery.signal restore_command=get {}recovery_target_timeline=current{} "
               "recovery_target_lsn=0/3000060",
               without("recovery_target_lsn"), kRest));
}

TEST_CASE("the timeline of the plan is spelt out, for a standby where it must be") {
  RestorePlan plan = plan_of(RestoreType::standby);
  const auto ends_with = [&](std::string_view setting) {
    return text(plan).find(format(" recovery_target_timeline={}", setting)) != std::string::npos;
  };
  plan.path.push_back({3, {}, {}});
  plan.server_latest = 3;
  CHECK(ends_with("latest"));
  plan.server_latest = 4;  // a branch that this backup cannot follow
  CHECK(ends_with("3"));
  plan.options.target = RestoreType::latest;
  plan.server_latest = 3;
  CHECK(ends_with("3"));
}

TEST_CASE("the operator's options win, and his target comes last") {
  RestorePlan plan = plan_of(TimeTarget{kTime.time()->when, true});
  plan.options.target_action = "promote";
  plan.options.archive_off = true;
  plan.options.recovery_options = {{"primary_conninfo", "host=a"},
                                   {"restore_command", "mine"},
                                   {"recovery_min_apply_delay", "5min"}};
  CHECK(text(plan) ==
        format("recovery.signal restore_command=mine {}recovery_target_timeline=current "
               "recovery_end_command= archive_cleanup_command= recovery_min_apply_delay=5min "
               "promote_trigger_file= archive_mode=off primary_conninfo=host=a "
               "recovery_target_time=2026-11-21 02:41:07.500000+00",
               without("recovery_target_time", "false", "promote")));
  plan = plan_of(RestoreType::latest);
  plan.options.recovery_options = {{"recovery_target", "immediate"}};
  CHECK(text(plan).ends_with(" promote_trigger_file= recovery_target=immediate"));
}

TEST_CASE("a gap is accepted by its name, or behind a target") {
  struct Row {
    RecoveryTarget target;
    const char* accepted;
    bool sandboxed;
    bool expected;
  };
  const Row rows[] = {
      {RestoreType::latest, "", false, false},
      {RestoreType::latest, "000000010000000000000005", false, false},  // another one
      {RestoreType::latest, "000000010000000000000006", false, true},
      {RestoreType::latest, "", true, true},  // a drill tells what it found
      {RestoreType::standby, "", false, false},
      {kTime, "", false, true},
      {RestoreType::immediate, "", false, true},
  };
  for (const Row& row : rows) {
    RestorePlan plan = plan_of(row.target);
    plan.options.accept_gap = row.accepted;
    plan.options.sandboxed = row.sandboxed;
    CHECK(text(plan).find("--accept-gap") == std::string::npos);
    plan.wal.missing = "000000010000000000000006";
    plan.wal.after_gap = "000000010000000000000008";
    const bool written =
        text(plan).find("restore_command=get --accept-gap=000000010000000000000006") !=
        std::string::npos;
    CHECK(written == row.expected);
  }
}

TEST_CASE("an isolated copy is overruled, and its recovery guarded") {
  RestorePlan plan = plan_of(kLsn);
  plan.options.isolated = true;
  plan.backup.start_lsn = Lsn{0x3000028};
  plan.isolation = {{"archive_mode", "off"}, {"listen_addresses", ""}};
  plan.tablespaces = {{16385, "fast", "/srv/a place"}};
  plan.options.allow_tablespaces = {"/srv/100%"};
  CHECK(text(plan).starts_with(
      "recovery.signal restore_command=get --guard=0/3000028 --allow-tablespace=/srv/100%% "
      "'--allow-tablespace=/srv/a place' recovery_target="));
  CHECK(text(plan).ends_with(" archive_mode=off listen_addresses= recovery_target_lsn=0/5000060"));
  plan.way.end = Lsn{0x5000088};
  plan.options.target = LsnTarget{kLsn.lsn()->at, true};
  plan.way.stop_after = Lsn{0x5000020};  // instead of just before what cannot be read
  plan.options.recovery_options = {{"listen_addresses", "*"}};
  plan.options.allow_tablespaces.clear();
  CHECK(
      text(plan).starts_with("recovery.signal restore_command=get --guard=0/3000028,0/5000088 "
                             "'--allow-tablespace=/srv/a place' recovery_target="));
  CHECK(text(plan).find("recovery_target_inclusive=true") != std::string::npos);
  CHECK(text(plan).ends_with(" archive_mode=off listen_addresses=* recovery_target_lsn=0/5000020"));
  plan.options.target = RestoreType::none;
  CHECK(text(plan) == " archive_mode=off listen_addresses=*");
}
