#include "engine/recovery_settings.hpp"

#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

RestorePlan plan_of(RestoreType type) {
  RestorePlan plan;
  plan.backup.timeline = 1;
  plan.path = {{1, {}, {}}};
  plan.server_latest = 1;
  plan.options.type = type;
  plan.options.restore_command = "get";
  plan.options.target_time = parse_utc("2026-11-21T02:41:07.500000Z");
  plan.options.target_lsn = Lsn{0x5000060};
  plan.options.target_xid = 777;
  plan.options.target_name = "before";
  return plan;
}

std::string text(const RestorePlan& plan) {
  std::string all = signal_file(plan.options.type);
  for (const auto& [name, value] : recovery_settings(plan)) all += format(" {}={}", name, value);
  return all;
}

}  // namespace

TEST_CASE("each type of restore has its settings") {
  struct Row {
    RestoreType type;
    const char* settings;
  };
  const Row rows[] = {
      {RestoreType::latest, ""},
      {RestoreType::immediate, "recovery_target=immediate "},
      {RestoreType::time, "recovery_target_time=2026-11-21 02:41:07.500000+00 "},
      {RestoreType::xid, "recovery_target_xid=777 "},
      {RestoreType::lsn, "recovery_target_lsn=0/5000060 "},
      {RestoreType::name, "recovery_target_name=before "},
  };
  for (const Row& row : rows) {
    CHECK(text(plan_of(row.type)) == format("recovery.signal restore_command=get {}"
                                            "recovery_target_timeline=current",
                                            row.settings));
  }
  CHECK(text(plan_of(RestoreType::standby)) ==
        "standby.signal restore_command=get recovery_target_timeline=latest");
  CHECK(text(plan_of(RestoreType::preserve)).empty());
  CHECK(text(plan_of(RestoreType::none)).empty());
}

TEST_CASE("the timeline of the plan is spelt out, for a standby where it must be") {
  RestorePlan plan = plan_of(RestoreType::standby);
  plan.path.push_back({3, {}, {}});
  plan.server_latest = 3;
  CHECK(text(plan) == "standby.signal restore_command=get recovery_target_timeline=latest");
  plan.server_latest = 4;  // a branch that this backup cannot follow
  CHECK(text(plan) == "standby.signal restore_command=get recovery_target_timeline=3");
  plan.options.type = RestoreType::latest;
  plan.server_latest = 3;
  CHECK(text(plan) == "recovery.signal restore_command=get recovery_target_timeline=3");
}

TEST_CASE("the operator's options come last and win") {
  RestorePlan plan = plan_of(RestoreType::time);
  plan.options.target_exclusive = true;
  plan.options.target_action = "promote";
  plan.options.archive_off = true;
  plan.options.recovery_options = {{"primary_conninfo", "host=a"}, {"restore_command", "mine"}};
  CHECK(text(plan) ==
        "recovery.signal restore_command=mine recovery_target_time=2026-11-21 "
        "02:41:07.500000+00 recovery_target_inclusive=false recovery_target_action=promote "
        "recovery_target_timeline=current archive_mode=off primary_conninfo=host=a");
}

TEST_CASE("an isolated copy is overruled, and its recovery guarded") {
  RestorePlan plan = plan_of(RestoreType::lsn);
  plan.options.isolated = true;
  plan.backup.start_lsn = Lsn{0x3000028};
  plan.isolation = {{"archive_mode", "off"}, {"listen_addresses", ""}};
  plan.tablespaces = {{16385, "fast", "/srv/a place"}};
  plan.options.allow_tablespaces = {"/srv/100%"};
  CHECK(text(plan) ==
        "recovery.signal restore_command=get --guard=0/3000028 --allow-tablespace=/srv/100%% "
        "'--allow-tablespace=/srv/a place' recovery_target_lsn=0/5000060 "
        "recovery_target_timeline=current archive_mode=off listen_addresses=");
  plan.way.end = Lsn{0x5000088};
  plan.options.target_exclusive = true;
  plan.way.stop_after = Lsn{0x5000020};  // instead of just before what cannot be read
  plan.options.recovery_options = {{"listen_addresses", "*"}};
  plan.options.allow_tablespaces.clear();
  CHECK(text(plan) ==
        "recovery.signal restore_command=get --guard=0/3000028,0/5000088 "
        "'--allow-tablespace=/srv/a place' recovery_target_lsn=0/5000020 "
        "recovery_target_timeline=current archive_mode=off listen_addresses=*");
  plan.options.type = RestoreType::none;
  CHECK(text(plan) == " archive_mode=off listen_addresses=*");
}
