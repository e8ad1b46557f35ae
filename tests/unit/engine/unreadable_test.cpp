// One object that cannot be read, of each kind, under each verb: it is named, and nothing else is
// taken for damaged, absent or removable.
#include "engine/expire/catalog.hpp"
#include "support/fake_clock.hpp"
#include "support/says.hpp"
#include "support/small_cluster.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/engine/expire/expire.hpp>
#include <pgcairn/engine/expire/hold.hpp>
#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/engine/stanza/stop.hpp>
#include <pgcairn/engine/status/health.hpp>
#include <pgcairn/engine/status/info.hpp>
#include <pgcairn/engine/verify/verify.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>
#include <pgcairn/repo/records.hpp>

#include <algorithm>
#include <cerrno>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

/// Two full backups with WAL, a record of each kind, a lease that was given back, and something
/// that an interrupted backup left between them. Sealed or not.
class TwoBackups {
 public:
  TwoBackups() {
    older.store(repository);
    newer.info.stop_time = older.info.stop_time + std::chrono::hours(24);
    newer.info.timeline = 2;  // the segment that only the older one needs may go with it
    newer.info.start_lsn = Lsn{4 * kMiB + 40};
    newer.info.stop_lsn = Lsn{4 * kMiB + 400};
    newer.info.wal_start = newer.info.wal_stop = wal_segment_name({2, 4}, kMiB);
    newer.store_backup(repository);
    store->put(repo::pack_key("main", kLeft, 0), as_bytes("left"), storage::IfExists::fail);
    repo::VerifyRecord verified;
    verified.level = "quick";
    repo::DrillRecord drilled;
    drilled.backup = older.info.label;
    for (const repo::RecordContent& content : std::initializer_list<repo::RecordContent>{
             verified, drilled, repo::AnnotationRecord{older.info.label, "name", "text"},
             repo::StopRecord{"why"}, repo::HoldRecord{"20200101-000000F", "audit"}})
      records.push_back(repo::add_record(repository, "main", content));
    release = repo::add_record(repository, "main", repo::ReleaseRecord{{records[3], records[4]}});
    repo::Lease(repository, "main", "backup");
  }

  /// Another client, to which the store does not give `key`.
  repo::Repository without(const std::string& key) {
    auto driver = shared(*store, {[key](std::string_view operation, std::string_view asked) {
                                    if ((operation == "get" || operation == "stat") && asked == key)
                                      throw SystemError(format("cannot read \"{}\"", key), EIO);
                                  },
                                  {}});
    return {"blind",
            storage::with_unreadable(std::move(driver), std::string(repo::kRepositoryKey))};
  }

  static constexpr std::string_view kLeft = "20261121-120000F";
  std::unique_ptr<storage::Driver> store = storage::make_memory();
  repo::Repository repository{"memory", shared(*store)};
  SmallCluster older;
  SmallCluster newer{"20261122-010203F"};
  std::vector<std::string> records;  // verify, drill, note, stop, hold
  std::string release;
};

std::vector<std::string> keys_but_anchor(storage::Driver& driver) {
  std::vector<std::string> all = keys(driver);
  std::erase(all, std::string(repo::kRepositoryKey));
  return all;
}

bool is_marker(const std::string& key) {
  return key.starts_with(repo::marker_prefix("main"));
}

bool has_owner(const std::string& key, const SmallCluster& cluster) {
  return key.find("/" + cluster.info.label + "/") != std::string::npos;
}

VerifiedRepository verify_full(repo::Repository& repository) {
  VerifyOptions options;
  options.level = VerifyLevel::full;
  options.record = false;
  NoProgress progress;
  return engine::verify("main", std::span(&repository, 1), options, progress, {})
      .repositories.at(0);
}

}  // namespace

TEST_CASE("verify names the one object that cannot be read, and looks at all others") {
  TwoBackups two;
  REQUIRE(verify_full(two.repository).damages.empty());
  for (const std::string& key : keys_but_anchor(*two.store)) {
    const bool unneeded = key.starts_with("lease/") || key.find(TwoBackups::kLeft) != key.npos;
    INFO(key);
    repo::Repository blind = two.without(key);
    const VerifiedRepository found = verify_full(blind);
    CHECK(found.error.empty());
    CHECK(found.damages.size() == (unneeded ? 0 : 1));
    for (const Damage& damage : found.damages) {
      CHECK(damage.object == key);
      CHECK_THAT(damage.cause, Says({"it cannot be read, while other objects can"}));
    }
    CHECK(found.labels.size() == 2);
  }
}

TEST_CASE("info names the backup whose marker cannot be read, and hides nothing else") {
  TwoBackups two;
  for (const std::string& key : keys_but_anchor(*two.store)) {
    INFO(key);
    repo::Repository blind = two.without(key);
    InfoOptions options;
    options.stanzas = {"main"};
    const RepositoryInfo info =
        read_info(options, std::span(&blind, 1), {}).front().repositories.front();
    CHECK(info.error.empty());
    CHECK(info.clusters.size() == 1);
    CHECK(info.backups.size() == (is_marker(key) ? 1 : 2));
    CHECK(info.unreadable.size() == (is_marker(key) ? 1 : 0));
    for (const auto& [label, cause] : info.unreadable)
      CHECK(key == repo::marker_key("main", label));
    CHECK(info.windows.size() >= 1);
    const bool noted =
        key.starts_with("lease/") || key.starts_with("record/") || key.ends_with(".history");
    CHECK(info.notes.size() == (noted ? 1 : 0));
  }
}

TEST_CASE("health names what cannot be read, and looks at all others") {
  TwoBackups two;
  const TempDir nowhere(TempDir::Where::memory);
  StanzaSettings stanza{"main", nowhere.path(), {}};
  stanza.connection.host = nowhere.path();  // no server
  const std::filesystem::path directory;
  for (const std::string& key : keys_but_anchor(*two.store)) {
    INFO(key);
    repo::Repository blind = two.without(key);
    const RepositoryFacts facts =
        read_health(stanza, std::span(&blind, 1), std::span(&directory, 1), {}).repositories.at(0);
    CHECK(facts.error.empty());
    CHECK(facts.labels.size() == 2);
    CHECK(facts.newest.size() == (is_marker(key) ? 1 : 2));
    const bool read = is_marker(key) || key.starts_with("lease/") || key.starts_with("record/") ||
                      key.ends_with(".history");
    CHECK(facts.unreadable.size() == (read ? 1 : 0));
    for (const std::string& why : facts.unreadable)
      CHECK_THAT(why, Says({key, "it cannot be read, while other objects can"}));
    CHECK(facts.record_state.has_value());
    CHECK(facts.outlook.has_value());
  }
}

TEST_CASE("restore passes over the newest backup when its marker cannot be read, or says so") {
  TwoBackups two;
  const TempDir directory(TempDir::Where::memory);
  int number = 0;
  for (const std::string& key : keys_but_anchor(*two.store)) {
    INFO(key);
    repo::Repository blind = two.without(key);
    const fs::path target = directory / format("data{}", number++);
    std::string chosen;
    std::string error;
    try {
      NoProgress progress;
      RestorePlan plan = plan_restore({"main", target, {}}, std::span(&blind, 1), {}, progress, {});
      chosen = plan.backup.label;
      run_restore(plan, progress, {});
    } catch (const Error& thrown) {
      error = thrown.render();
    }
    const bool in_manifest = key.find("/manifest/") != key.npos && has_owner(key, two.newer);
    if (key == repo::marker_key("main", two.newer.info.label) || in_manifest) {
      CHECK(chosen == two.older.info.label);
      CHECK(error.empty());
    } else if (has_owner(key, two.newer)) {
      CHECK_THAT(error, Says({key, "--set"}));
      CHECK_FALSE(fs::exists(target / "global/pg_control"));
    } else if (key.find("/wal/") != key.npos) {
      if (!error.empty())
        CHECK_THAT(error, Says({key.substr(key.rfind('/') + 1)}) || Says({"timeline"}));
    } else {
      CHECK(error.empty());
      CHECK(chosen == two.newer.info.label);
    }
  }
}

TEST_CASE("damage that a running restore meets makes it begin again where another backup will do") {
  RestorePlan plan;
  const auto passes = [&](const std::string& set, const std::string& key) {
    plan.options.set = set;
    return may_pass_over(plan, DamagedError(key, 0, "the frame is damaged"));
  };
  const SmallCluster one;
  const std::string& label = one.info.label;
  for (const std::string& key :
       {repo::pack_key("main", label, 0), repo::manifest_key("main", label, 0),
        repo::marker_key("main", label), std::string("an unknown object")}) {
    INFO(key);
    CHECK(passes("", key));
    CHECK_FALSE(passes(label, key));
  }
  // WAL is every backup's.
  CHECK_FALSE(passes("", repo::wal_key("main", one.info.cluster, one.info.wal_start)));
}

TEST_CASE("a pack that cannot be read is taken from another repository that has the same backup") {
  TwoBackups two;
  TwoBackups same;
  SmallCluster changed("20261122-010203F");
  changed.info.stop_time = two.newer.info.stop_time + std::chrono::seconds(-1);
  const auto other_store = storage::make_memory();
  repo::Repository different("different", shared(*other_store));
  changed.store(different);
  const std::string pack = repo::pack_key("main", two.newer.info.label, 0);
  const TempDir directory(TempDir::Where::memory);
  const auto restores = [&](repo::Repository& other, const std::string& name) {
    std::vector<repo::Repository> repositories;
    repositories.push_back(two.without(pack));
    repositories.push_back(std::move(other));
    NoProgress progress;
    RestorePlan plan = plan_restore({"main", directory / name, {}}, repositories, {}, progress, {});
    return error_of<DamagedError>([&] { run_restore(plan, progress, {}); });
  };
  CHECK(restores(same.repository, "same").empty());
  CHECK(as_text(read_file(directory / "same/PG_VERSION")) == two.newer.files.at("PG_VERSION"));
  CHECK(as_text(read_file(directory / "same/base/5/16384")) == two.newer.files.at("base/5/16384"));
  CHECK_THAT(restores(different, "different"), Says({pack, "--set"}));
}

TEST_CASE(
    "a lease whose last document cannot be read is watched, and taken from nobody who lives") {
  TwoBackups two;
  const std::string key = repo::lease_key("main", 1);
  REQUIRE(two.store->stat(key));
  FakeClock clock;
  repo::Repository blind = two.without(key);
  blind.open();
  { repo::Lease lease(blind, "main", "expire", {}, std::chrono::seconds(120), clock); }
  CHECK_FALSE(two.store->stat(key));

  // One that is written again while it is watched is somebody's.
  repo::Lease held(two.repository, "main", "backup");
  const std::string current = keys(*two.store, repo::lease_prefix("main")).back();
  repo::Repository beside = two.without(current);
  beside.open();
  FakeClock beating;
  beating.before_sleep = [&](milliseconds) { held.check(); };
  CHECK_THROWS_AS(repo::Lease(beside, "main", "expire", {}, std::chrono::seconds(120), beating),
                  LockedError);
  CHECK_NOTHROW(held.check());
}

TEST_CASE("expire keeps all that a marker which cannot be read may need, and removes the rest") {
  const std::vector<std::string> all = keys_but_anchor(*TwoBackups().store);
  for (const std::string& key : all) {
    if (key.starts_with("record/")) continue;  // their names differ: below
    if (key.starts_with("lease/")) continue;   // watched for a minute: above
    INFO(key);
    TwoBackups two;
    repo::Repository blind = two.without(key);
    ExpireOptions options;
    options.policy.keep_last = 1;
    options.allow_mass_removal = true;
    options.when = two.newer.info.stop_time + std::chrono::hours(1);
    NoProgress progress;
    const ExpireResult result = expire("main", blind, options, progress, {});
    CHECK(result.done);
    const auto labels = two.repository.backup_labels("main");
    const auto listed = [&](const SmallCluster& one) {
      return std::find(labels.begin(), labels.end(), one.info.label) != labels.end();
    };
    const bool old_marker = key == repo::marker_key("main", two.older.info.label);
    const bool new_marker = key == repo::marker_key("main", two.newer.info.label);
    CHECK(listed(two.newer));
    // Where a timeline came from that has no readable history, a branch may need the older one.
    const bool history = key.ends_with(".history");
    CHECK(listed(two.older) == (old_marker || new_marker || history));
    // What an interrupted backup left before the unreadable one may be named by it.
    CHECK(keys(*two.store, repo::data_prefix("main", TwoBackups::kLeft)).empty() == !new_marker);
    // With the object given again, nothing is missing.
    CHECK(verify_full(two.repository).damages.empty());
    CHECK(result.plan.notes.size() >= (old_marker || new_marker ? 1 : 0));
    for (const std::string& object : all) {
      if (object.find("/wal/") == object.npos) continue;
      const bool of_older = object.ends_with("/" + two.older.info.wal_start) ||
                            object.find(two.older.info.wal_start + ".") != object.npos;
      INFO(object);
      CHECK(two.store->stat(object).has_value() == (listed(two.older) || !of_older));
    }
  }
}

TEST_CASE("a record that cannot be read: only what may hold a backup keeps expire from its work") {
  TwoBackups two;
  ExpireOptions options;
  options.policy.keep_last = 1;
  options.dry_run = true;
  const auto expires = [&](const std::string& name) {
    repo::Repository blind = two.without(repo::record_key("main", name));
    NoProgress progress;
    return error_of<DamagedError>([&] { expire("main", blind, options, progress, {}); });
  };
  for (const int harmless : {1, 2, 3}) CHECK(expires(two.records[harmless]).empty());
  for (const std::string& name : {two.records[0], two.records[4], two.release})
    CHECK_THAT(expires(name), Says({name, "nothing was removed"}));

  // A stop that was released stops nothing, be it readable or not; one that stands does, and a
  // release takes it back without reading it.
  repo::Repository released = two.without(repo::record_key("main", two.records[3]));
  released.open();
  CHECK_NOTHROW(refuse_when_stopped(released, "main"));
  const std::string stop = repo::add_record(two.repository, "main", repo::StopRecord{"again"});
  repo::Repository stopped = two.without(repo::record_key("main", stop));
  stopped.open();
  CHECK_THAT(error_of<DamagedError>([&] { refuse_when_stopped(stopped, "main"); }),
             Says({stop, "--all-hosts start"}));
  start_stanza("main", std::span(&stopped, 1));
  CHECK_NOTHROW(refuse_when_stopped(stopped, "main"));
}

TEST_CASE("of a segment that cannot be read, nobody says that it can be removed") {
  TwoBackups two;
  const std::string segment = two.older.info.wal_start;
  const std::string key = repo::wal_key("main", two.older.info.cluster, segment);
  const auto codec = compress::make_codec(compress::CodecId::none);
  const auto stored_again = [&](repo::Repository& repository) {
    repository.open();
    return error_of<DamagedError>([&] {
      repository.put_wal("main", two.older.cluster, segment, repo::wal_content(as_bytes("other")),
                         *codec);
    });
  };
  repo::Repository blind = two.without(key);
  CHECK_THAT(stored_again(blind),
             Says({key, "it cannot be read, while other objects can"}) && !Says({"remove"}));
  // It is read, and is nothing.
  replace(*two.store, key, "damaged");
  CHECK_THAT(stored_again(two.repository), Says({"It is of no use as it is: remove", key}));
}

TEST_CASE("the repository's own document is the store: without it nothing is called damaged") {
  TwoBackups two;
  repo::Repository blind = two.without(std::string(repo::kRepositoryKey));
  const std::string error = error_of([&] { blind.open(); });
  CHECK_THAT(error, Says({"cannot read \"pgcairn.json\""}) && !Says({"damaged"}));
}

TEST_CASE("which packs a backup whose marker cannot be read may name") {
  const std::string full = "20261101-000000F";
  const std::string incremental = full + "_20261103-000000I";
  const std::set<std::string> listed = {full, incremental, "20261102-000000F",
                                        full + "_20261102-120000I", full + "_20261104-000000I"};
  const auto namer = [&](const std::string& label, const std::string& doubtful) {
    return may_name_packs_of(label, {doubtful}, listed);
  };
  CHECK(namer(full, incremental) == incremental);
  CHECK(namer(full + "_20261102-120000I", incremental) == incremental);
  CHECK(namer(full + "_20261104-000000I", incremental).empty());  // later
  CHECK(namer("20261102-000000F", incremental).empty());          // another family
  CHECK(namer("20261102-110000F", incremental) == incremental);   // interrupted, or removed before
  CHECK(namer("20261103-110000F", incremental).empty());
  CHECK(namer(full, "20261102-000000F").empty());
  CHECK(namer(incremental, "20261102-000000F").empty());
  CHECK(namer("20261031-000000F", full) == full);
  CHECK(namer(full, full) == full);
}
