#include "support/repository.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/records.hpp>

#include <chrono>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kOther = "20261122-010203F";
constexpr Timestamp kNow{1'800'000'000s};

VerifyRecord verified(std::string level, bool all, std::vector<std::string> damaged,
                      std::vector<std::string> backups = {std::string(kLabel)}) {
  VerifyRecord record;
  record.level = std::move(level);
  record.all = all;
  record.backups = std::move(backups);
  record.damaged = std::move(damaged);
  return record;
}

/// Records as if written a minute apart, the last one just before kNow.
RecordState standing_of(std::vector<RecordContent> contents) {
  std::vector<Record> records;
  for (RecordContent& content : contents) {
    records.push_back(
        {"record-" + std::to_string(records.size()), kNow, "here", std::move(content)});
  }
  for (std::size_t i = 0; i < records.size(); ++i) records[i].time -= (records.size() - i) * 1min;
  return RecordState(std::move(records), kNow);
}

}  // namespace

TEST_CASE("records come back as they were written") {
  MemoryRepository memory;
  VerifyRecord verify =
      verified("full", false, {std::string(kLabel)}, {kOther, std::string(kLabel)});
  verify.damages = {"main/data/x at 7: a byte \xff changed"};
  verify.damage_count = 3;
  verify.bytes_read = 1'000'000'000'000;
  verify.seconds = 2.5;
  verify.next = "main/data/y";
  const DrillRecord drill{std::string(kLabel), false, {"amcheck: 100% wrong"}, 1.5, 2.5, 16, kNow};
  const DrillRecord quiet_drill{std::string(kLabel), true, {}, 1.5, 2.5, 0, {}};
  const HoldRecord hold{std::string(kLabel), "audit\n2026", kNow};
  const HoldRecord endless{kOther, "", {}};
  const AnnotationRecord note{kOther, "ticket", "#17"};
  const StopRecord stop{"moving house"};
  const ReleaseRecord release{{"20261121-010203-hold-00000000"}};
  const LimitsRecord limits{"15-7", 3, Lsn{0x5000028}, {{300, 8, 10, 2, 64}, 1}};
  const std::vector<RecordContent> contents = {verify, drill, quiet_drill, hold,  endless,
                                               note,   stop,  release,     limits};
  std::vector<std::string> names;
  for (const RecordContent& content : contents)
    names.push_back(add_record(memory.repository, "main", content));

  const std::vector<Record> records = read_records(memory.repository, "main");
  REQUIRE(records.size() == contents.size());
  for (std::size_t i = 0; i < contents.size(); ++i) {
    INFO(names[i]);
    CHECK(records[i].name == names[i]);
    CHECK(records[i].content == contents[i]);
    CHECK_FALSE(records[i].host.empty());
    CHECK(names[i].find(kind_of(contents[i])) == 16);
  }
  const std::vector<Record> holds = read_records(memory.repository, "main", {"hold"});
  REQUIRE(holds.size() == 2);
  CHECK(holds[1].content == RecordContent(endless));
  CHECK(read_records(memory.repository, "other").empty());
}

TEST_CASE("a damaged record is told; a kind of a later version is passed over") {
  MemoryRepository memory;
  const std::string good = add_record(memory.repository, "main", StopRecord{"a"});
  const std::string bad = add_record(memory.repository, "main", StopRecord{"b"});
  const std::string key = record_key("main", bad);
  std::string bytes = object(*memory.store, key);
  bytes[10] ^= 1;
  replace(*memory.store, key, bytes);
  put_document(*memory.store, memory.repository.seal_context(),
               record_key("main", "20261121-010203-dream-00000000"), R"({"kind":"dream"})",
               storage::IfExists::fail);
  CHECK_THROWS_AS(read_records(memory.repository, "main"), DamagedError);
  std::vector<std::string> damaged;
  const auto records = read_records(memory.repository, "main", {}, [&](const DamagedError& error) {
    damaged.push_back(error.object());
  });
  REQUIRE(records.size() == 1);
  CHECK(records[0].name == good);
  CHECK(damaged == std::vector<std::string>{key});
}

TEST_CASE("a record that stands under another one's name is refused") {
  MemoryRepository memory;
  put_document(*memory.store, memory.repository.seal_context(),
               record_key("main", "20261121-010203-stop-00000000"),
               R"({"kind":"release","time":"2026-11-21T01:02:03Z","host":"x","records":[]})",
               storage::IfExists::fail);
  CHECK_THROWS_WITH(read_records(memory.repository, "main"), Says({"another kind"}));
}

TEST_CASE("a backup counts as damaged until a run that could see it found nothing") {
  const std::vector<std::string> damaged = {std::string(kLabel)};
  struct {
    const char* what;
    std::vector<RecordContent> records;
    bool counts;
  } const cases[] = {
      {"nothing is known", {}, false},
      {"found whole", {verified("full", true, {})}, false},
      {"found damaged", {verified("quick", true, damaged)}, true},
      {"found by a sample", {verified("full", false, damaged)}, true},
      {"another one is damaged", {verified("full", true, {kOther}, {kOther})}, false},
      {"a quick run sees less than a full one",
       {verified("full", true, damaged), verified("quick", true, {})},
       true},
      {"a full run sees all that a quick one sees",
       {verified("quick", true, damaged), verified("full", true, {})},
       false},
      {"quick after quick", {verified("quick", true, damaged), verified("quick", true, {})}, false},
      {"full after full", {verified("full", true, damaged), verified("full", true, {})}, false},
      {"a sample proves nothing",
       {verified("full", true, damaged), verified("full", false, {})},
       true},
      {"a run that looked at another backup",
       {verified("full", true, damaged), verified("full", true, {}, {kOther})},
       true},
      {"damaged again",
       {verified("full", true, damaged), verified("full", true, {}),
        verified("quick", true, damaged)},
       true},
  };
  for (const auto& one : cases) {
    INFO(one.what);
    CHECK((standing_of(one.records).damage(kLabel) != nullptr) == one.counts);
  }
}

TEST_CASE("holds and stops count until released or over") {
  const RecordState record_state = standing_of(
      {HoldRecord{std::string(kLabel), "audit", {}}, HoldRecord{std::string(kLabel), "over", kNow},
       HoldRecord{std::string(kLabel), "later", kNow + 1s}, HoldRecord{kOther, "released", {}},
       StopRecord{"one"}, StopRecord{"two"}, ReleaseRecord{{"record-3", "record-4"}}});
  const auto holds = record_state.holds(kLabel);
  REQUIRE(holds.size() == 2);
  CHECK(std::get<HoldRecord>(holds[0]->content).reason == "audit");
  CHECK(std::get<HoldRecord>(holds[1]->content).reason == "later");
  CHECK(record_state.holds(kOther).empty());
  REQUIRE(record_state.stops().size() == 1);
  CHECK(std::get<StopRecord>(record_state.stops()[0]->content).reason == "two");
}

TEST_CASE("a release counts whatever the clocks of the hosts say") {
  std::vector<Record> records = {
      {"a", kNow - 1h, "slow", ReleaseRecord{{"b"}}},
      {"b", kNow, "fast", StopRecord{"x"}},
  };
  CHECK(RecordState(std::move(records), kNow).stops().empty());
}

TEST_CASE("the latest note of a name counts, and an empty one takes it away") {
  const std::string label(kLabel);
  const RecordState record_state =
      standing_of({AnnotationRecord{label, "ticket", "#1"}, AnnotationRecord{label, "why", "tests"},
                   AnnotationRecord{label, "ticket", "#2"}, AnnotationRecord{label, "why", ""},
                   AnnotationRecord{kOther, "ticket", "#3"}});
  const std::vector<std::pair<std::string, std::string>> expected = {{"ticket", "#2"}};
  CHECK(record_state.annotations(kLabel) == expected);
}

TEST_CASE("the newest verify and drill of a backup are found, whatever they found") {
  DrillRecord bad{std::string(kLabel), false, {}, 0, 0, 0, {}};
  DrillRecord good = bad;
  good.good = true;
  const RecordState record_state =
      standing_of({verified("full", true, {}), good, verified("quick", false, {}), bad,
                   verified("full", true, {}, {kOther})});
  REQUIRE(record_state.last_verify(kLabel));
  CHECK(std::get<VerifyRecord>(record_state.last_verify(kLabel)->content).level == "quick");
  REQUIRE(record_state.last_drill(kLabel));
  CHECK_FALSE(std::get<DrillRecord>(record_state.last_drill(kLabel)->content).good);
  CHECK(record_state.last_drill(kOther) == nullptr);
}
