#include "engine/restore/wal_way.hpp"

#include "support/made_wal.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

constexpr std::uint64_t kStart = 0x3000000;

/// WAL with everything at which recovery can stop, and tablespaces between.
struct Way {
  std::vector<std::uint64_t> starts;  // of the records
  std::string bytes;
  repo::BackupMarker backup;

  Way() {
    bytes = wal({filler(20), create_tablespace(1, "/srv/during"), filler(30),  // 0 1 2
                 commit(10, 1'000'000), create_tablespace(2, "/srv/one"),      // 3 4
                 commit(11, 2'000'000), restore_point("here"),                 // 5 6
                 create_tablespace(3, ""), create_tablespace(4, "/srv/two"),   // 7 8
                 commit(12, 3'000'000)},                                       // 9
                kStart, 0xD110, &starts);
    backup.start_lsn = Lsn{starts[0]};
    backup.stop_lsn = Lsn{starts[3]};
  }
  Lsn at(std::size_t record) const { return Lsn{starts[record]}; }

  /// The oids created, then the number of the first record that is not on the way, "-" for none.
  std::string followed(const RecoveryTarget& target) const {
    WalWay way(target, backup, Lsn{kStart + bytes.size()});
    way.read(as_bytes(bytes), Lsn{kStart});
    std::string text;
    for (const auto& one : way.created()) text += format("{} ", one.oid);
    if (!way.end()) return text + "-";
    const auto found = std::lower_bound(starts.begin(), starts.end(), way.end()->value);
    return text + std::to_string(found - starts.begin());
  }
};

Timestamp seconds(int count) {
  return *parse_utc("2000-01-01T00:00:00Z") + std::chrono::seconds(count);
}

}  // namespace

TEST_CASE("the way through the WAL ends where recovery does") {
  const Way way;
  CHECK(way.followed(RestoreType::latest) == "1 2 4 -");
  CHECK(way.followed(RestoreType::standby) == "1 2 4 -");
  CHECK(way.followed(RestoreType::immediate) == "1 3");
  CHECK(way.followed(LsnTarget{way.at(3)}) == "1 4");
  CHECK(way.followed(LsnTarget{way.at(4), true}) == "1 4");
  CHECK(way.followed(LsnTarget{way.at(4)}) == "1 2 5");  // the record there is replayed
  CHECK(way.followed(LsnTarget{way.at(5), true}) == "1 2 5");
  CHECK(way.followed(XidTarget{10}) == "1 4");
  CHECK(way.followed(XidTarget{11, true}) == "1 2 5");
  // Made before the transaction that is too late ends, it is replayed.
  CHECK(way.followed(TimeTarget{seconds(1)}) == "1 2 5");
  CHECK(way.followed(TimeTarget{seconds(1), true}) == "1 3");
  CHECK(way.followed(TimeTarget{seconds(2)}) == "1 2 4 9");
  CHECK(way.followed(NameTarget{"here"}) == "1 2 7");
}

TEST_CASE("the record before the first tablespace is told, and a stop just before one") {
  const Way way;
  WalWay before(LsnTarget{way.at(4), true}, way.backup, Lsn{kStart + way.bytes.size()});
  before.read(as_bytes(way.bytes), Lsn{kStart});
  CHECK(before.stops_before_created());
  CHECK(before.last_record() == way.at(3));
  CHECK(before.before_created() == way.at(0));
  WalWay later(LsnTarget{way.at(6), true}, way.backup, Lsn{kStart + way.bytes.size()});
  later.read(as_bytes(way.bytes), Lsn{kStart});
  CHECK_FALSE(later.stops_before_created());
  CHECK(later.last_record() == way.at(5));
}

TEST_CASE("what the server needs on the way is told, up to where recovery ends") {
  std::vector<std::uint64_t> starts;
  const std::string bytes =
      wal({limits(100, 8, 1), filler(20), running(70), init_fork(1663, 5, 1),          // 0 1 2 3
           limits(300, 4, 1), commit(10, 1'000'000), init_fork(1663, 5, 2),            // 4 5 6
           running(60), init_fork(1663, 5, 3), limits(50, 20, 0), limits(999, 1, 1)},  // 7 8 9 10
          kStart, 0xD110, &starts);
  repo::BackupMarker backup;
  backup.start_lsn = Lsn{starts[1]};
  backup.stop_lsn = Lsn{starts[5]};
  backup.unsettled_before = 55;
  const auto follow = [&](const RecoveryTarget& target, const auto& check) {
    WalWay way(target, backup, Lsn{kStart + bytes.size()});
    way.read(as_bytes(bytes), Lsn{kStart});
    check(way);
  };
  follow(RestoreType::latest, [&](const WalWay& way) {
    // The highest of each, but not what came before the backup, or after what ends recovery.
    CHECK(way.limits() == ServerLimits{{300, 20, 20, 20, 20}, 1});
    CHECK(way.minimal() == Lsn{starts[9]});
    CHECK(way.is_over());
    CHECK(way.unlogged().size() == 3);
    CHECK(way.is_settled());
  });
  follow(LsnTarget{Lsn{starts[7]}, true}, [&](const WalWay& way) {
    CHECK(way.limits() == ServerLimits{{300, 4, 4, 4, 4}, 1});
    CHECK_FALSE(way.minimal());
    CHECK(way.unlogged().size() == 2);
    CHECK_FALSE(way.is_settled());  // what ran before the backup's end does not tell
  });
  const RecoveryTarget just_before = LsnTarget{Lsn{starts[9]}, true};
  follow(just_before, [&](const WalWay& way) { CHECK_FALSE(way.minimal()); });
  backup.unsettled_before = 61;
  follow(just_before, [&](const WalWay& way) { CHECK_FALSE(way.is_settled()); });
  backup.unsettled_before = 0;  // no number tells
  follow(just_before, [&](const WalWay& way) { CHECK_FALSE(way.is_settled()); });
  backup.unsettled_before.reset();
  follow(just_before, [&](const WalWay& way) { CHECK(way.is_settled()); });
}
