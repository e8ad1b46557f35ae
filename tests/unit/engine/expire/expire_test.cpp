#include "support/made_stanza.hpp"
#include "support/repository.hpp"
#include "support/says.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/expire/expire.hpp>
#include <pgcairn/engine/expire/hold.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>
#include <pgcairn/repo/records.hpp>
#include <pgcairn/storage/object_locked_error.hpp>

#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;
using repo::BackupType;

namespace {

constexpr auto kDay = std::chrono::hours(24);
const Timestamp kFirst = parse_utc("2026-11-01T00:00:00Z").value();

/// A stanza in memory, a full backup a day, of two packs and two segments of WAL, which goes on
/// without a gap.
struct Days {
  explicit Days(int count) {
    for (int i = 0; i < count; ++i) add(BackupType::full, "");
  }

  repo::BackupMarker add(BackupType type, const std::string& prior,
                         const std::vector<repo::PackRange>& named = {}) {
    repo::BackupMarker info =
        stanza.backup(type, prior, kFirst + static_cast<int>(labels.size()) * kDay);
    stanza.put_data(info, 2);
    info.packs.insert(info.packs.end(), named.begin(), named.end());
    stanza.set_wal(info, 1, segment, segment + 1);
    for (int i = 0; i < 4; ++i) stanza.put_wal(1, segment++);
    stanza.list(info);
    labels.push_back(info.label);
    return info;
  }

  /// `fault` is asked for each key that is removed.
  ExpireResult expire(const ExpireOptions& options, Hooks hooks = {}, storage::Fault fault = {}) {
    auto driver = shared(*store.store, std::move(hooks));
    if (fault) driver = storage::with_faults(std::move(driver), std::move(fault));
    repo::Repository client("client", std::move(driver));
    NoProgress progress;
    return engine::expire("main", client, options, progress, {});
  }

  bool has(const std::string& key) { return store.store->stat(key).has_value(); }
  std::vector<std::string> listed() { return store.repository.backup_labels("main"); }
  std::size_t packs(const std::string& label) {
    return keys(*store.store, repo::pack_prefix("main", label)).size();
  }

  MemoryRepository store;
  MadeStanza stanza{store.repository};
  std::vector<std::string> labels;
  std::uint64_t segment = 1;
};

ExpireOptions keep_last(std::uint32_t count) {
  ExpireOptions options;
  options.allow_mass_removal = true;
  options.policy.keep_last = count;
  options.when = kFirst + 100 * kDay;
  return options;
}

ExpireOptions only(const std::string& label) {
  ExpireOptions options;
  options.set = label;
  options.when = kFirst + 100 * kDay;
  return options;
}

void damage(storage::Driver& driver, const std::string& key) {
  std::string bytes = object(driver, key);
  bytes[bytes.size() / 2] ^= 1;
  replace(driver, key, bytes);
}

std::vector<std::string> without_leases(storage::Driver& driver) {
  std::vector<std::string> all = keys(driver);
  std::erase_if(all, [](const std::string& key) { return key.starts_with("lease/"); });
  return all;
}

}  // namespace

TEST_CASE("expire removes backups with their packs, and the WAL before the oldest that stays") {
  Days days(5);
  days.stanza.put_wal(1, 1, ".00000028.backup");
  days.stanza.put_wal(1, 9, ".partial");
  days.stanza.put_history(3, {{1, 2}});
  const ExpireResult result = days.expire(keep_last(2));
  CHECK(days.listed() == std::vector<std::string>{days.labels[3], days.labels[4]});
  CHECK(days.packs(days.labels[2]) == 0);
  CHECK(keys(*days.store.store, repo::data_prefix("main", days.labels[2])).empty());
  CHECK(days.packs(days.labels[3]) == 2);
  for (std::uint64_t segment = 1; segment < 21; ++segment)
    CHECK(days.has(days.stanza.wal_key(1, segment)) == (segment >= 13));
  CHECK_FALSE(days.has(days.stanza.wal_key(1, 1) + ".00000028.backup"));
  CHECK_FALSE(days.has(days.stanza.wal_key(1, 9) + ".partial"));
  CHECK(
      days.has(repo::wal_key("main", repo::cluster_id(MadeStanza::kCluster), "00000003.history")));
  CHECK(result.done);
  CHECK(result.removed_objects == 3 + 3 * 3 + 12 + 2);
  CHECK(result.plan.backups[0].reasons == std::vector<std::string>{"no rule keeps it"});
  CHECK(result.plan.data.size() == 3);
  CHECK(result.plan.wal[0].reason == "no kept backup needs it");
  CHECK(result.plan.wal[0].files == 14);
  CHECK(result.plan.wal[1].reason == format("recovery from backup {} on", days.labels[3]));
  // There is nothing more to do.
  CHECK(days.expire(keep_last(2)).removed_objects == 0);
}

TEST_CASE("expire stops before it removes most of the backups, unless that is allowed") {
  Days days(5);
  ExpireOptions options = keep_last(2);
  options.allow_mass_removal = false;
  const auto before = days.listed();
  try {
    days.expire(options);
    FAIL("nothing was thrown");
  } catch (const UsageError& error) {
    const std::string said = error.render();
    INFO(said);
    for (const std::string& word :
         {std::string("3 of 5 good backups"), std::string("more than 2"), days.labels[0],
          days.labels[2], std::string("expire --allow-mass-removal")})
      CHECK(said.find(word) != std::string::npos);
    CHECK(said.find(days.labels[3]) == std::string::npos);
  }
  CHECK(days.listed() == before);
  // A dry run shows the plan, and says that it would stop.
  options.dry_run = true;
  const ExpireResult plan = days.expire(options);
  CHECK(plan.plan.notes.size() == 1);
  CHECK_FALSE(plan.plan.backups[0].keep);
  options.dry_run = false;
  options.allow_mass_removal = true;
  CHECK(days.expire(options).done);
  CHECK(days.listed() == std::vector<std::string>{days.labels[3], days.labels[4]});
}

TEST_CASE("a dry run and an expire without rules touch nothing, not even the lease") {
  Days days(3);
  const auto before = keys(*days.store.store);
  ExpireOptions options = keep_last(1);
  options.dry_run = true;
  const ExpireResult planned = days.expire(options);
  CHECK_FALSE(planned.done);
  CHECK(planned.plan.backups.size() == 3);
  CHECK_FALSE(planned.plan.backups[0].keep);
  CHECK(planned.plan.data.size() == 2);
  const ExpireResult none = days.expire({});
  CHECK(none.plan.notes.size() == 1);
  CHECK(keys(*days.store.store) == before);
  // The plan is what is then done.
  const ExpireResult done = days.expire(keep_last(1));
  CHECK(done.plan.wal.size() == planned.plan.wal.size());
  CHECK(days.listed().size() == 1);
}

TEST_CASE("packs that a kept backup names stay, whoever stored them") {
  Days days(1);
  days.add(BackupType::incremental, days.labels[0], {{days.labels[0], 1, 1}});
  days.add(BackupType::incremental, days.labels[1],
           {{days.labels[0], 1, 1}, {days.labels[1], 0, 0}});
  const ExpireResult result = days.expire(keep_last(1));
  CHECK(days.listed() == std::vector<std::string>{days.labels[2]});
  CHECK(keys(*days.store.store, repo::data_prefix("main", days.labels[0])) ==
        std::vector<std::string>{repo::pack_key("main", days.labels[0], 1)});
  CHECK(days.has(repo::pack_key("main", days.labels[1], 0)));
  CHECK_FALSE(days.has(repo::pack_key("main", days.labels[1], 1)));
  CHECK(result.plan.data[0].kept_reason == format("named by {}", days.labels[2]));
  CHECK(result.plan.data[0].packs_removed == 1);
}

TEST_CASE("what interrupted backups left goes, but for what the next one may go on from") {
  Days days(3);
  const auto leave = [&](std::string_view time) {
    const std::string label = repo::full_backup_label(parse_utc(std::string(time)).value());
    days.stanza.put_data(label, 2);
    return label;
  };
  const std::string before_the_last = leave("2026-11-02T12:00:00Z");
  const std::string after_the_last = leave("2026-11-03T12:00:00Z");
  ExpireOptions options = keep_last(9);
  options.when = kFirst + 4 * kDay;
  days.expire(options);
  CHECK(days.packs(before_the_last) == 0);
  CHECK(days.packs(after_the_last) == 2);
  CHECK(days.has(repo::manifest_key("main", after_the_last, 0)));
  options.when = kFirst + 10 * kDay;
  days.expire(options);
  CHECK(days.packs(after_the_last) == 0);
  CHECK(keys(*days.store.store, repo::data_prefix("main", after_the_last)).empty());
  CHECK(days.listed().size() == 3);
}

TEST_CASE("packs of an interrupted backup that were taken over stay") {
  Days days(1);
  const std::string left = repo::full_backup_label(kFirst + std::chrono::hours(12));
  days.stanza.put_data(left, 3);
  days.add(BackupType::full, "", {{left, 1, 2}});
  days.expire(keep_last(1));
  CHECK(keys(*days.store.store, repo::data_prefix("main", left)) ==
        std::vector<std::string>{repo::pack_key("main", left, 1), repo::pack_key("main", left, 2)});
}

TEST_CASE("a damaged marker keeps what its backup may need until it is given up") {
  Days days(4);
  const std::string left = repo::full_backup_label(kFirst + std::chrono::hours(12));
  days.stanza.put_data(left, 2);
  damage(*days.store.store, repo::marker_key("main", days.labels[1]));
  const ExpireResult result = days.expire(keep_last(1));
  CHECK(days.listed() == std::vector<std::string>{days.labels[1], days.labels[3]});
  CHECK(days.packs(days.labels[0]) == 0);
  CHECK(days.packs(days.labels[1]) == 2);
  CHECK(days.packs(days.labels[2]) == 0);
  CHECK(days.packs(left) == 2);
  for (std::uint64_t segment = 1; segment < days.segment; ++segment)
    CHECK(days.has(days.stanza.wal_key(1, segment)));
  REQUIRE(result.plan.notes.size() == 1);
  CHECK_THAT(result.plan.notes[0], Says({repo::marker_key("main", days.labels[1]),
                                         "pgcairn expire --set=" + days.labels[1]}));

  // Given up, it goes with its packs; what it may have needed of others waits for the rules.
  days.expire(only(days.labels[1]));
  CHECK(days.listed() == std::vector<std::string>{days.labels[3]});
  CHECK(days.packs(days.labels[1]) == 0);
  CHECK(days.packs(left) == 2);
  days.expire(keep_last(1));
  CHECK(days.packs(left) == 0);
  CHECK_FALSE(days.has(days.stanza.wal_key(1, 1)));

  const std::string hold = repo::add_record(days.store.repository, "main",
                                            repo::HoldRecord{days.labels[3], "audit", {}});
  damage(*days.store.store, repo::record_key("main", hold));
  const auto before = without_leases(*days.store.store);
  CHECK_THAT(error_of<DamagedError>([&] { days.expire(keep_last(1)); }),
             Says({repo::record_key("main", hold), "nothing was removed"}));
  CHECK(without_leases(*days.store.store) == before);
}

TEST_CASE("of two damaged markers one can be given up") {
  Days days(4);
  for (const int i : {0, 1}) damage(*days.store.store, repo::marker_key("main", days.labels[i]));
  const ExpireResult first = days.expire(only(days.labels[0]));
  CHECK(days.listed().size() == 3);
  CHECK(days.packs(days.labels[0]) == 0);
  CHECK(days.packs(days.labels[1]) == 2);
  CHECK(first.plan.notes.size() == 1);
  days.expire(only(days.labels[1]));
  CHECK(days.packs(days.labels[1]) == 0);
  CHECK(days.listed().size() == 2);
}

TEST_CASE("what interrupted backups left can be given up, also where nothing is to be kept") {
  Days days(2);
  const std::string left = repo::full_backup_label(kFirst + std::chrono::hours(36));
  days.stanza.put_data(left, 2);
  ExpireOptions options;
  options.when = kFirst + 3 * kDay;
  const auto before = without_leases(*days.store.store);
  days.expire(options);
  CHECK(without_leases(*days.store.store) == before);
  options.keep_interrupted = false;
  days.expire(options);
  CHECK(keys(*days.store.store, repo::data_prefix("main", left)).empty());
  auto after = without_leases(*days.store.store);
  CHECK(after.size() + 3 == before.size());
  CHECK(days.listed().size() == 2);
}

TEST_CASE("a listing that fails removes nothing") {
  for (const std::string_view what : {"main/backup/", "main/data/", "main/wal/", "record/"}) {
    Days days(3);
    const auto before = without_leases(*days.store.store);
    Hooks hooks;
    hooks.before = [&](std::string_view operation, std::string_view key) {
      if (operation == "list" && key.starts_with(what)) throw TransientError("no answer");
    };
    CHECK_THROWS_AS(days.expire(keep_last(1), hooks), TransientError);
    CHECK(without_leases(*days.store.store) == before);
  }
}

TEST_CASE("when a marker cannot be removed, nothing of any backup goes") {
  Days days(3);
  Hooks hooks;
  hooks.before = [&](std::string_view operation, std::string_view key) {
    if (operation == "remove" && key.starts_with("main/backup/")) throw Error("not allowed");
  };
  CHECK_THAT(error_of([&] { days.expire(keep_last(1), hooks); }), Says({"not allowed"}));
  CHECK(days.listed().size() == 3);
  for (const std::string& label : days.labels) CHECK(days.packs(label) == 2);
  CHECK(days.has(days.stanza.wal_key(1, 1)));
}

TEST_CASE("what the store keeps is told, and a backup that it keeps stays whole") {
  const Timestamp until = parse_utc("2027-01-01T00:00:00Z").value();
  Days days(1);
  days.add(BackupType::incremental, days.labels[0], {{days.labels[0], 0, 0}});
  days.add(BackupType::full, "");
  const auto keeping = [&](const std::string& part) {
    return [until, part](std::string_view operation, std::string_view key) {
      if (operation == "remove" && key.find(part) != key.npos)
        throw storage::ObjectLockedError("the object is locked", until);
    };
  };
  // The incremental's marker stays: with its packs, those of the full one that it names, and its
  // WAL.
  const ExpireResult first = days.expire(keep_last(1), {}, keeping(days.labels[1] + ".json"));
  CHECK(days.listed() == std::vector<std::string>{days.labels[1], days.labels[2]});
  CHECK(days.packs(days.labels[0]) == 1);
  CHECK(days.packs(days.labels[1]) == 2);
  CHECK(days.has(days.stanza.wal_key(1, 5)));
  CHECK_FALSE(days.has(days.stanza.wal_key(1, 7)));
  CHECK_FALSE(days.has(days.stanza.wal_key(1, 1)));
  CHECK(first.kept_by_store.objects == 1);
  CHECK(first.kept_by_store.until == until);
  CHECK_THAT(first.plan.backups[1].reasons.front(), Says({"kept by the store until 2027-01-01"}));

  // A pack stays, and all else goes.
  const ExpireResult second =
      days.expire(keep_last(1), {}, keeping(repo::pack_key("main", days.labels[1], 0)));
  CHECK(days.listed() == std::vector<std::string>{days.labels[2]});
  CHECK(days.packs(days.labels[1]) == 1);
  CHECK(days.packs(days.labels[0]) == 0);
  CHECK(second.kept_by_store.objects == 1);
  // Once its time is over it goes with the next.
  CHECK(days.expire(keep_last(1)).removed_objects == 1);
  CHECK(days.packs(days.labels[1]) == 0);
}

TEST_CASE("--set removes one backup, unless it is held or the last good one") {
  Days days(4);
  repo::add_record(days.store.repository, "main", repo::HoldRecord{days.labels[0], "audit", {}});
  CHECK_THAT(error_of<UsageError>([&] { days.expire(only(days.labels[0])); }),
             Says({"is held: audit", "pgcairn unhold " + days.labels[0]}));
  CHECK_THROWS_AS(days.expire(only("20200101-000000F")), MissingError);
  days.expire(only(days.labels[1]));
  CHECK(days.listed() == std::vector<std::string>{days.labels[0], days.labels[2], days.labels[3]});
  // WAL that the oldest one may recover through stays.
  CHECK(days.has(days.stanza.wal_key(1, 5)));

  // With the others damaged, the one between them is the last good one.
  repo::VerifyRecord found;
  found.level = "full";
  found.backups = found.damaged = {days.labels[0], days.labels[3]};
  repo::add_record(days.store.repository, "main", found);
  CHECK_THAT(error_of<UsageError>([&] { days.expire(only(days.labels[2])); }),
             Says({"the last good one"}));
  days.expire(only(days.labels[3]));
  CHECK(days.listed() == std::vector<std::string>{days.labels[0], days.labels[2]});
}

TEST_CASE("an expire beside a backup is refused, with who holds the lease") {
  Days days(3);
  const repo::Lease lease(days.store.repository, "main", "backup", std::stop_token());
  CHECK_THAT(error_of<LockedError>([&] { days.expire(keep_last(1)); }),
             Says({"backup by process"}));
  CHECK(days.listed().size() == 3);
  ExpireOptions options = keep_last(1);
  options.dry_run = true;
  CHECK_NOTHROW(days.expire(options));
}

TEST_CASE("an expire that has lost its lease removes nothing more") {
  Days days(3);
  Hooks hooks;
  bool lost = false;
  hooks.after = [&](std::string_view operation, std::string_view key) {
    // Another run has taken over while the catalog was read.
    if (lost || operation != "list" || key != "main/data/") return;
    lost = true;
    const std::string time = format_utc(now());
    const std::string json =
        format(R"({{"holder":"another","state":"held","operation":"backup","host":"there","pid":1,)"
               R"("since":"{}","time":"{}","seconds":120}})",
               time, time);
    repo::put_document(*days.store.store, days.store.repository.seal_context(),
                       repo::lease_key("main", 90), json, storage::IfExists::fail);
  };
  CHECK_THROWS_AS(days.expire(keep_last(1), hooks), LockedError);
  CHECK(days.listed().size() == 3);
}

TEST_CASE("held backups stay until they are released") {
  Days days(4);
  std::vector<repo::Repository> repositories;
  repositories.push_back(days.store.client());
  MemoryRepository other;  // has no such backup
  MadeStanza elsewhere(other.repository);
  repositories.push_back(other.client());
  const std::string& label = days.labels[0];
  CHECK(hold_backup("main", repositories, {label, "audit", {}}) ==
        std::vector<std::string>{"client"});
  CHECK_THROWS_AS(hold_backup("main", repositories, {"20200101-000000F", "audit", {}}),
                  MissingError);
  days.expire(keep_last(1));
  CHECK(days.listed() == std::vector<std::string>{label, days.labels[3]});
  CHECK(days.packs(label) == 2);
  CHECK(days.has(days.stanza.wal_key(1, 1)));
  CHECK(release_holds("main", repositories, label).size() == 1);
  CHECK_THROWS_AS(release_holds("main", repositories, label), MissingError);
  const repo::AnnotationRecord note{label, "ticket", "OPS-1"};
  CHECK(annotate_backup("main", repositories, label, {&note, 1}).size() == 1);
  CHECK(keys(*days.store.store, "record/").size() == 3);
  days.expire(keep_last(1));
  CHECK(days.listed() == std::vector<std::string>{days.labels[3]});
  // What is said of a backup that is gone goes with it.
  CHECK(keys(*days.store.store, "record/").empty());
}

TEST_CASE("a hold beside a removal is not relied on") {
  Days days(2);
  std::vector<repo::Repository> repositories;
  repositories.push_back(days.store.client());
  const auto hold = [&] { hold_backup("main", repositories, {days.labels[0], "audit", {}}); };
  for (const char* const operation : {"expire", "stanza-delete"}) {
    const repo::Lease lease(days.store.repository, "main", operation, std::stop_token());
    CHECK_THAT(error_of<LockedError>(hold),
               Says({std::string(operation) + " is running", "hold the backup again"}));
  }
  SECTION("of another host, whatever its clock says") {
    repo::put_document(
        *days.store.store, days.store.repository.seal_context(), repo::lease_key("main", 1000),
        R"({"holder":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","state":"held",)"
        R"("operation":"expire","host":"elsewhere","pid":1,"since":"2001-01-01T00:00:00Z",)"
        R"("time":"2001-01-01T00:00:00Z","seconds":120})",
        storage::IfExists::fail);
    CHECK_THAT(error_of<LockedError>(hold), Says({"elsewhere"}));
    return;
  }
  const repo::Lease lease(days.store.repository, "main", "backup", std::stop_token());
  CHECK_NOTHROW(hold_backup("main", repositories, {days.labels[0], "audit", {}}));
}

TEST_CASE("WAL of a cluster goes with its last backup, when a later version has backups") {
  Days days(2);
  MadeStanza later(days.store.repository, {7500000000000000001, 17});
  later.put_wal(1, 1);
  // The new cluster has WAL and no backup yet: nothing is known of what it will need.
  days.expire(keep_last(1));
  CHECK(days.has(later.wal_key(1, 1)));
  CHECK(days.listed() == std::vector<std::string>{days.labels[1]});
  for (int i = 10; i < 13; ++i) {
    repo::BackupMarker info = later.backup(BackupType::full, "", kFirst + i * kDay);
    later.put_data(info, 1);
    later.set_wal(info, 1, 1, 1);
    later.list(info);
  }
  // The last good backup of the old cluster is never a rule's to remove.
  days.expire(keep_last(1));
  CHECK(days.listed().size() == 2);
  CHECK(days.has(days.stanza.wal_key(1, 5)));
  days.stanza.put_history(2, {{1, 8}});
  const ExpireResult result = days.expire(only(days.labels[1]));
  CHECK(keys(*days.store.store, repo::wal_prefix("main", repo::cluster_id(MadeStanza::kCluster)))
            .empty());
  CHECK(days.has(later.wal_key(1, 1)));
  CHECK_THAT(result.plan.wal.front().reason, Says({"one of a later version has backups"}));
}

TEST_CASE("records: verdicts are kept while they count, or are among the last") {
  Days days(2);
  const auto verified = [&](const std::string& label, bool damaged) {
    repo::VerifyRecord record;
    record.level = "quick";
    record.backups = {label};
    if (damaged) record.damaged = {label};
    return repo::add_record(days.store.repository, "main", record);
  };
  const std::string old = verified(days.labels[0], true);
  verified(days.labels[0], false);
  const std::string counts = verified(days.labels[1], true);
  for (int i = 0; i < 120; ++i) {
    repo::DrillRecord drill;
    drill.backup = days.labels[0];
    repo::add_record(days.store.repository, "main", drill);
  }
  days.expire(keep_last(9));
  // Times have microseconds, so the order is that of writing. What cleared the first stays too.
  const auto left = repo::read_records(days.store.repository, "main");
  const repo::RecordState record_state(left, now());
  CHECK(record_state.damage(days.labels[0]) == nullptr);
  REQUIRE(record_state.damage(days.labels[1]) != nullptr);
  CHECK(record_state.damage(days.labels[1])->name == counts);
  CHECK(std::none_of(left.begin(), left.end(),
                     [&](const repo::Record& record) { return record.name == old; }));
  CHECK(left.size() == 122);
}

TEST_CASE("records: how long ago a stanza was proved outlives the backup that proved it") {
  Days days(2);
  repo::VerifyRecord verify;
  verify.level = "quick";
  verify.backups = {days.labels[0]};
  repo::DrillRecord drill;
  drill.backup = days.labels[0];
  drill.good = true;
  std::set<std::string> newest;
  for (int i = 0; i < 3; ++i) {
    newest = {repo::add_record(days.store.repository, "main", verify),
              repo::add_record(days.store.repository, "main", drill)};
  }
  days.expire(only(days.labels[0]));
  REQUIRE(days.listed() == std::vector<std::string>{days.labels[1]});
  std::set<std::string> left;
  for (const repo::Record& record : repo::read_records(days.store.repository, "main"))
    left.insert(record.name);
  CHECK(left == newest);
}
