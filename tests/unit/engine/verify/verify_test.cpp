#include "engine/verify/maps.hpp"
#include "engine/verify/objects.hpp"
#include "engine/verify/pages.hpp"
#include "support/says.hpp"
#include "support/small_cluster.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/engine/verify/verify.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack.hpp>

#include <atomic>
#include <set>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

constexpr const char* kTable = "base/5/16384";

VerifyOptions level_full() {
  VerifyOptions options;
  options.level = VerifyLevel::full;
  return options;
}

struct Stored {
  explicit Stored(SmallCluster made) : cluster(std::move(made)) { cluster.store(repository); }
  SmallCluster cluster;
  std::unique_ptr<storage::Driver> store = storage::make_memory();
  repo::Repository repository{"memory", shared(*store)};

  VerifiedRepository verify(const VerifyOptions& options = level_full()) {
    NoProgress progress;
    return engine::verify("main", std::span(&repository, 1), options, progress, {})
        .repositories.at(0);
  }
  repo::RecordState record_state() {
    return repo::RecordState(repo::read_records(repository, "main"), now() + std::chrono::hours(1));
  }
};

SmallCluster with_page(const std::string& page, std::vector<std::uint32_t> bad = {}) {
  SmallCluster cluster;
  cluster.files[kTable] = good_page(0, 0x100) + page + good_page(2, 0x100);
  cluster.bad_blocks[kTable] = std::move(bad);
  return cluster;
}

/// A page that says it belongs to another block.
std::string strayed(std::uint64_t lsn) {
  return good_page(7, lsn);
}

std::vector<ObjectToOpen> objects_of(const std::vector<std::string>& object_keys) {
  std::vector<ObjectToOpen> objects;
  for (const std::string& key : object_keys) objects.push_back({key, 1, {}, "", LabelSets::kNone});
  return objects;
}

repo::Record run(std::string level, bool all, std::string next, std::size_t backups = 2) {
  repo::VerifyRecord record;
  record.level = std::move(level);
  record.all = all;
  record.next = std::move(next);
  record.backups.assign(backups, "label");
  return {"", {}, "", record};
}

}  // namespace

TEST_CASE("a page that was stored with a wrong checksum is damage") {
  Stored stored(with_page(strayed(0x200)));
  const VerifiedRepository result = stored.verify();
  REQUIRE(result.damages.size() == 1);
  const Damage& damage = result.damages[0];
  CHECK(damage.object == repo::pack_key("main", kLabel, 0));
  CHECK(damage.block == 1);
  CHECK(damage.paths == std::vector<std::string>{kTable});
  CHECK(damage.backups == std::vector<std::string>{std::string(kLabel)});
  CHECK(damage.offset_bytes > 0);  // of the frame with pages, behind that of small files
}

TEST_CASE("what explains a wrong checksum is no damage") {
  const std::uint64_t start = 3 * kMiB + 40;
  const std::uint64_t stop = 3 * kMiB + 400;
  SECTION("it was bad in the cluster") {
    const auto result = Stored(with_page(strayed(0x200), {1})).verify();
    CHECK(result.damages.empty());
    CHECK(result.known_bad_pages == 1);
  }
  SECTION("replay of WAL repairs it") {
    for (const std::uint64_t lsn : {start, start + 8, stop}) {
      const auto result = Stored(with_page(strayed(lsn))).verify();
      CHECK(result.damages.empty());
      CHECK(result.known_bad_pages == 0);
    }
  }
  SECTION("the cluster has no checksums") {
    SmallCluster cluster = with_page(strayed(0x200));
    cluster.info.data_checksums = false;
    CHECK(Stored(cluster).verify().damages.empty());
  }
}

TEST_CASE("what does not explain a wrong checksum") {
  SECTION("another block was bad") {
    CHECK(Stored(with_page(strayed(0x200), {0})).verify().damages.size() == 1);
  }
  SECTION("a position that WAL had not reached") {
    CHECK(Stored(with_page(strayed(3 * kMiB + 401))).verify().damages.size() == 1);
    CHECK(Stored(with_page(strayed(3 * kMiB + 39))).verify().damages.size() == 1);
  }
  SECTION("a new page that is not empty") {
    std::string page(8192, '\0');
    page[5] = 3;  // an LSN that replay would explain
    page[4] = 41;
    page[8000] = 'x';
    CHECK(Stored(with_page(page)).verify().damages.size() == 1);
  }
}

TEST_CASE("what is recorded marks a backup as damaged, and restore passes it over") {
  Stored stored{SmallCluster()};
  SmallCluster newer("20261122-010203F");
  newer.info.stop_time = stored.cluster.info.stop_time + std::chrono::hours(24);
  newer.store_backup(stored.repository);
  const std::string pack = repo::pack_key("main", newer.info.label, 0);
  std::string bytes = object(*stored.store, pack);
  bytes[100] = static_cast<char>(bytes[100] ^ 1);
  replace(*stored.store, pack, bytes);

  const TempDir directory(TempDir::Where::memory);
  const auto chosen = [&](RestoreOptions options) {
    NoProgress progress;
    return plan_restore({"main", directory / "data", {}}, std::span(&stored.repository, 1), options,
                        progress, std::stop_token())
        .backup.label;
  };
  CHECK(stored.verify({}).damages.empty());
  CHECK(chosen({}) == newer.info.label);
  VerifyOptions unrecorded = level_full();
  unrecorded.record = false;
  CHECK(stored.verify(unrecorded).damages.size() == 1);
  CHECK(chosen({}) == newer.info.label);
  CHECK(stored.verify().damages.size() == 1);
  CHECK(stored.record_state().damage(newer.info.label) != nullptr);
  CHECK(stored.record_state().damage(kLabel) == nullptr);

  CHECK(chosen({}) == kLabel);
  RestoreOptions immediate;
  immediate.target = RestoreType::immediate;
  CHECK_THROWS_AS(chosen(immediate), DamagedError);
  RestoreOptions named;
  named.set = newer.info.label;
  try {
    chosen(named);
    FAIL("it was not refused");
  } catch (const DamagedError& error) {
    CHECK_THAT(error.render(), Says({newer.info.label, pack, "--accept-damage"}));
  }
  named.accept_damage = true;
  CHECK(chosen(named) == newer.info.label);
}

TEST_CASE("a history that two repositories tell differently is damage in both") {
  Stored one{SmallCluster()};
  Stored other{SmallCluster()};
  const std::string key = repo::wal_key("main", one.cluster.info.cluster, "00000002.history");
  other.store->remove({&key, 1});
  const std::string text = "1\t0/400000\tanother reason\n";
  other.repository.put_wal("main", other.cluster.cluster, "00000002.history",
                           repo::wal_content(as_bytes(text)),
                           *compress::make_codec(compress::CodecId::zst, 1));
  std::vector<repo::Repository> both;
  both.emplace_back("one", shared(*one.store));
  both.emplace_back("other", shared(*other.store));
  NoProgress progress;
  const auto result = verify("main", both, {}, progress, {});
  for (const VerifiedRepository& repository : result.repositories) {
    REQUIRE(repository.damages.size() == 1);
    CHECK(repository.damages[0].object == key);
  }
}

TEST_CASE("a history that contradicts a backup is damage") {
  SmallCluster cluster;
  cluster.info.timeline = 2;  // which began at 0/400000, says its history
  cluster.info.wal_start = cluster.info.wal_stop = "000000020000000000000004";
  const auto result = Stored(cluster).verify({});
  REQUIRE(result.damages.size() >= 1);
  CHECK(result.damages[0].object ==
        repo::wal_key("main", cluster.info.cluster, "00000002.history"));
  CHECK(result.damages[0].backups == std::vector<std::string>{std::string(kLabel)});
}

TEST_CASE("a repository that cannot be written to is verified all the same") {
  Stored stored{SmallCluster()};
  repo::Repository read_only(
      "read-only",
      storage::with_faults(shared(*stored.store), [](std::string_view operation, auto) {
        if (operation == "put") throw Error("read-only file system");
      }));
  NoProgress progress;
  const auto result = verify("main", std::span(&read_only, 1), {}, progress, {}).repositories[0];
  CHECK(result.damages.empty());
  REQUIRE(result.notes.size() == 1);
  CHECK(result.notes[0].find("read-only file system") != std::string::npos);
}

TEST_CASE("a run that is limited in time goes round") {
  auto objects = objects_of({"d", "b", "a", "c"});
  const auto order = [&](const std::string& key) {
    begin_with(objects, key);
    std::string text;
    for (const ObjectToOpen& object : objects) text += object.key;
    return text;
  };
  CHECK(order("") == "abcd");
  CHECK(order("c") == "cdab");
  CHECK(order("bb") == "cdab");
  CHECK(order("z") == "abcd");
}

TEST_CASE("time that is up ends a run, and the next one goes on from there") {
  Stored stored{SmallCluster()};
  const auto pack = repo::pack_key("main", kLabel, 0);
  ObjectToOpen whole{pack, object(*stored.store, pack).size(), {}, "", LabelSets::kNone};
  const std::vector<ObjectToOpen> objects(10, whole);
  const LabelSets labels;
  NoProgress progress;
  for (const unsigned threads : {1U, 3U}) {
    ObjectOpener opener("main", stored.repository, labels, progress, {});
    std::atomic<int> asked = 0;
    CHECK(opener.open(objects, threads, [&] { return ++asked > 4; }) == 4);
  }
  VerifyOptions limited = level_full();
  limited.max_duration = std::chrono::hours(1);
  CHECK(stored.verify(limited).next.empty());
  limited.max_duration = milliseconds(0);
  const VerifiedRepository nothing = stored.verify(limited);
  CHECK(nothing.packs_opened + nothing.wal_opened == 0);
  CHECK(nothing.next == pack);
  const auto record =
      std::get<repo::VerifyRecord>(repo::read_records(stored.repository, "main").back().content);
  CHECK_FALSE(record.all);
  CHECK(record.next == pack);
}

TEST_CASE("where a limited run begins") {
  CHECK(first_object({}, 2).empty());
  using Records = std::vector<repo::Record>;
  CHECK(first_object(Records{run("full", false, "b")}, 2) == "b");
  CHECK(first_object(Records{run("full", false, "b"), run("quick", true, "")}, 2) == "b");
  CHECK(first_object(Records{run("full", false, "b"), run("full", false, "")}, 2) ==
        "b");  // sample
  CHECK(first_object(Records{run("full", false, "b"), run("full", false, "d")}, 2) == "d");
  CHECK(first_object(Records{run("full", false, "b"), run("full", true, "")}, 2).empty());
  CHECK(first_object(Records{run("full", false, "b"), run("full", true, "", 1)}, 2) ==
        "b");  // --set
}

TEST_CASE("an extent must find each of its bytes in the frames that the index tells of") {
  const auto codec = compress::make_codec(compress::CodecId::none);
  const repo::SealContext seal_context(kId);
  const std::string key = repo::pack_key("main", kLabel, 0);
  repo::PackBuilder builder(0, seal_context, key, *codec, 16 * kMiB, Buffer());
  for (const std::size_t bytes : {65536, 65536, 65536, 100, 65536})
    builder.add(as_bytes(std::string(bytes, 'x')), "");
  repo::Pack pack = builder.finish();
  const engine::FrameSizes sizes(repo::PackIndex::parse(pack.body, seal_context, key));
  struct Row {
    repo::Extent extent;  // length, ref, pack, frame, offset
    bool right;
  };
  for (const Row& row :
       {Row{{65536, 0, 0, 0, 0}, true}, Row{{3 * 65536 + 100, 0, 0, 0, 0}, true},
        Row{{3 * 65536 + 101, 0, 0, 0, 0}, false}, Row{{65535, 0, 0, 2, 1}, true},
        Row{{65636, 0, 0, 2, 1}, false}, Row{{100, 0, 0, 3, 0}, true}, Row{{1, 0, 0, 3, 99}, true},
        Row{{1, 0, 0, 3, 100}, false}, Row{{65536, 0, 0, 4, 0}, true},
        Row{{65537, 0, 0, 4, 0}, false}, Row{{1, 0, 0, 5, 0}, false},
        Row{{1, 0, 0, UINT32_MAX, 0}, false}, Row{{UINT64_MAX, 0, 0, 0, 0}, false}}) {
    INFO(row.extent.length_bytes << " bytes from frame " << row.extent.frame << ", "
                                 << row.extent.offset_bytes);
    CHECK(sizes.what_is_wrong(row.extent, 65536).empty() == row.right);
  }
}

TEST_CASE("a manifest whose maps do not fit its packs is damage") {
  Stored stored(SmallCluster{});
  // The same manifest, but for where it finds a table, with all checks right.
  const std::uint32_t frame_off = GENERATE(as<std::uint32_t>(), 1, 2, 100);
  repo::Repository& repository = stored.repository;
  repo::ManifestReader reader(repository.driver(), repository.seal_context(), "main",
                              std::string(kLabel), 1);
  const auto scratch = storage::make_memory();
  repo::ManifestWriter writer(*scratch, repository.seal_context(), "main", reader.header());
  while (auto entry = reader.next()) {
    if (entry->path == kTable) entry->map.back().frame += frame_off;
    writer.add(*entry);
  }
  for (const repo::ManifestPack& pack : reader.packs()) writer.add(pack);
  writer.finish();
  const std::string key = repo::manifest_key("main", kLabel, 0);
  replace(*stored.store, key, object(*scratch, key));
  const VerifiedRepository result = stored.verify();
  REQUIRE(result.damages.size() == 1);
  CHECK(result.damages[0].object == repo::pack_key("main", kLabel, 0));
  CHECK(result.damages[0].paths == std::vector<std::string>{kTable});
  CHECK(result.damages[0].backups == std::vector<std::string>{std::string(kLabel)});
  CHECK_THAT(result.damages[0].cause, Says({"frame"}));
}

TEST_CASE("sets of labels are kept once, however many objects have them") {
  LabelSets sets;
  const auto a = sets.with(LabelSets::kNone, "a");
  const auto ab = sets.with(a, "b");
  CHECK(sets.at(LabelSets::kNone).empty());
  CHECK(sets.at(ab) == std::vector<std::string>{"a", "b"});
  CHECK(sets.with(LabelSets::kNone, "a") == a);
  CHECK(sets.with(a, "a") == a);
  CHECK(sets.with(a, "b") == ab);
  CHECK(sets.with(ab, "a") == ab);
  CHECK(sets.at(a) == std::vector<std::string>{"a"});
}

namespace {

/// Asks for a stop when a phase of this name begins, and counts what is advanced by from then on.
class StoppingProgress final : public Progress {
 public:
  explicit StoppingProgress(std::string_view name) : name_(name) {}
  void phase(std::string_view name, std::uint64_t total_bytes) override {
    phases.emplace_back(name);
    total = total_bytes;
    if (name == name_) stop.request_stop();
  }
  void advance(std::uint64_t bytes) override { advanced += bytes; }

  std::stop_source stop;
  std::vector<std::string> phases;
  std::uint64_t total = 0;
  std::uint64_t advanced = 0;

 private:
  std::string_view name_;
};

}  // namespace

TEST_CASE("the plan of a restore tells its phases, and a stop ends it in any of them") {
  Stored stored{SmallCluster()};
  const TempDir directory(TempDir::Where::memory);
  const auto plan = [&](StoppingProgress& progress) {
    plan_restore({"main", directory / "data", {}}, std::span(&stored.repository, 1), {}, progress,
                 progress.stop.get_token());
  };
  StoppingProgress whole("");
  plan(whole);
  CHECK(whole.advanced > 0);
  REQUIRE(whole.phases.size() >= 3);
  for (const std::string& phase : whole.phases) {
    INFO(phase);
    StoppingProgress progress(phase);
    CHECK_THROWS_AS(plan(progress), Interrupted);
    CHECK(progress.phases.back() == phase);
    CHECK(progress.advanced == (phase == whole.phases.back() ? whole.advanced : 0));
  }
}
