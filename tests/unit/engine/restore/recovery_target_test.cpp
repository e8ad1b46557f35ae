#include <pgcairn/engine/restore/recovery_target.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;

namespace {

const Timestamp kNoon = *parse_utc("2026-11-21T12:00:00Z");

}  // namespace

TEST_CASE("A target knows its type, and what of the WAL it leaves out") {
  struct Row {
    RecoveryTarget target;
    const char* name;
    bool stops_early;
    bool goes_beyond_backup;
  };
  const Row rows[] = {
      {{}, "default", false, true},
      {RestoreType::immediate, "immediate", true, false},
      {TimeTarget{kNoon}, "time", true, true},
      {XidTarget{777}, "xid", true, true},
      {LsnTarget{Lsn{0x5000060}}, "lsn", true, true},
      {NameTarget{"before"}, "name", true, true},
      {RestoreType::standby, "standby", false, true},
      {RestoreType::preserve, "preserve", false, false},
      {RestoreType::none, "none", false, false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(name_of(row.target.type()) == row.name);
    CHECK(parse_restore_type(row.name) == row.target.type());
    CHECK(row.target.stops_early() == row.stops_early);
    CHECK(row.target.goes_beyond_backup() == row.goes_beyond_backup);
    CHECK_FALSE(row.target.exclusive());
  }
  CHECK_FALSE(parse_restore_type("latest"));
  CHECK(RecoveryTarget(TimeTarget{kNoon, true}).exclusive());
  CHECK(RecoveryTarget(XidTarget{777, true}).exclusive());
  CHECK(RecoveryTarget(LsnTarget{Lsn{1}, true}).exclusive());
}

TEST_CASE("A time is exclusive where recovery stops before a transaction that ended just then") {
  const Timestamp later = kNoon + std::chrono::microseconds(1);
  CHECK_FALSE(TimeTarget{kNoon}.is_before(kNoon));
  CHECK(TimeTarget{kNoon}.is_before(later));
  CHECK(TimeTarget{kNoon, true}.is_before(kNoon));
  CHECK_FALSE((TimeTarget{later, true}.is_before(kNoon)));
}
