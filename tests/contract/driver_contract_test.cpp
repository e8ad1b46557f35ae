// What every driver and every wrapper promises (pgcairn/storage/driver.hpp).
#include "support/fake_clock.hpp"
#include "support/random.hpp"
#include "support/remote_store.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/answer_cache.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <barrier>
#include <set>
#include <thread>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using test::FakeClock;
using test::TempDir;

namespace {

enum class Store { posix, memory, remote };
enum class Wrapper { none, retry, throttle, faults, answer_cache };

std::unique_ptr<Driver> make_store(Store store, const TempDir& directory) {
  if (store == Store::posix) return make_posix(directory / "repo");
  if (store == Store::memory) return make_memory();
  return test::make_remote_store(format("{}/", random_id()));
}

struct Kind {
  Store store;
  Wrapper wrapper;
};
/// With a server the tests are about its driver.
std::vector<Kind> kinds() {
  if (test::has_remote_store()) return {{Store::remote, Wrapper::none}};
  std::vector<Kind> all;
  for (const Store store : {Store::posix, Store::memory}) {
    if (!test::is_chosen(store == Store::posix ? "posix" : "memory")) continue;
    for (const Wrapper wrapper :
         {Wrapper::none, Wrapper::retry, Wrapper::throttle, Wrapper::faults, Wrapper::answer_cache})
      all.push_back({store, wrapper});
  }
  return all;
}

/// One of the drivers under test, and what it stands on.
class Subject {
 public:
  Subject(Store store, Wrapper wrapper) {
    static constexpr std::string_view stores[] = {"posix", "memory", "remote"};
    static constexpr std::string_view wrappers[] = {"", " in retry", " in throttle", " in faults",
                                                    " in answer cache"};
    name = format("{}{}", stores[static_cast<std::size_t>(store)],
                  wrappers[static_cast<std::size_t>(wrapper)]);
    driver = make_store(store, directory);
    switch (wrapper) {
      case Wrapper::none:
        break;
      case Wrapper::retry:
        driver = with_retry(std::move(driver), {}, {}, clock);
        break;
      case Wrapper::throttle:
        driver = with_throttle(std::move(driver), 1000, {}, {}, clock);
        break;
      case Wrapper::faults:
        driver = with_faults(std::move(driver), [](std::string_view, std::string_view) {});
        break;
      case Wrapper::answer_cache: {
        const auto everything = [](std::string_view) { return true; };
        driver = with_answer_cache(std::move(driver),
                                   {directory / "state/answers", milliseconds(60'000), everything},
                                   clock);
        break;
      }
    }
  }

  TempDir directory{TempDir::Where::memory};  // thousands of puts; posix_test.cpp uses the disk
  FakeClock clock;
  std::string name;
  std::unique_ptr<Driver> driver;
};

#define FOR_EVERY_DRIVER()                          \
  const Kind kind_ = GENERATE(from_range(kinds())); \
  Subject subject(kind_.store, kind_.wrapper);      \
  INFO("driver: " << subject.name);                 \
  Driver& driver = *subject.driver

bool put(Driver& driver, std::string_view key, std::string_view body,
         IfExists if_exists = IfExists::fail) {
  return driver.put(key, as_bytes(body), if_exists);
}

/// The content, or nothing when there is no object.
std::optional<std::string> get(Driver& driver, std::string_view key, Range range = {}) {
  Buffer out;
  out.append(as_bytes("what stood here before"));
  if (!driver.get(key, range, out)) return std::nullopt;
  return std::string(as_text(out));
}

std::vector<std::string> keys_of(Driver& driver, std::string_view prefix = {}) {
  std::vector<std::string> keys;
  driver.list(prefix, [&](const Object& object) { keys.push_back(object.key); });
  return keys;
}

using Keys = std::vector<std::string>;

}  // namespace

TEST_CASE("driver: what was put is there", "[contract]") {
  FOR_EVERY_DRIVER();
  const Timestamp before = now() - std::chrono::seconds(5);
  CHECK(put(driver, "main/backup/1", "content"));
  CHECK(get(driver, "main/backup/1") == "content");
  const auto object = driver.stat("main/backup/1");
  REQUIRE(object);
  CHECK(object->key == "main/backup/1");
  CHECK(object->size_bytes == 7);
  CHECK(object->modified > before);
  CHECK(object->modified < now() + std::chrono::seconds(5));
  CHECK(keys_of(driver) == Keys{"main/backup/1"});
}

TEST_CASE("driver: nothing is overwritten", "[contract]") {
  FOR_EVERY_DRIVER();
  REQUIRE(put(driver, "a/b", "first"));
  CHECK_THROWS_AS(put(driver, "a/b", "second", IfExists::fail), ConflictError);
  // Equal bytes are no exception, but where they may be those of a request that was sent twice.
  if (kind_.wrapper != Wrapper::retry)
    CHECK_THROWS_AS(put(driver, "a/b", "first", IfExists::fail), ConflictError);
  CHECK_FALSE(put(driver, "a/b", "third", IfExists::keep));
  CHECK(get(driver, "a/b") == "first");
  CHECK(keys_of(driver) == Keys{"a/b"});
  CHECK(put(driver, "a/c", "x", IfExists::keep));
}

TEST_CASE("driver: ranges", "[contract]") {
  FOR_EVERY_DRIVER();
  put(driver, "object", "0123456789");
  const auto range = [&](std::uint64_t offset, std::uint64_t length) {
    return get(driver, "object", {offset, length});
  };
  CHECK(range(0, 10) == "0123456789");
  CHECK(range(3, 4) == "3456");
  CHECK(range(8, 4) == "89");
  CHECK(range(9, UINT64_MAX) == "9");
  CHECK(range(3, 0) == "");
  CHECK(range(10, 1) == "");
  CHECK(range(11, 1) == "");
  CHECK(range(UINT64_MAX, UINT64_MAX) == "");
}

TEST_CASE("driver: an empty object is an object", "[contract]") {
  FOR_EVERY_DRIVER();
  CHECK(put(driver, "empty", ""));
  CHECK(get(driver, "empty") == "");
  REQUIRE(driver.stat("empty"));
  CHECK(driver.stat("empty")->size_bytes == 0);
  CHECK_FALSE(put(driver, "empty", "x", IfExists::keep));
  CHECK(keys_of(driver) == Keys{"empty"});
}

TEST_CASE("driver: a large object", "[contract]") {
  FOR_EVERY_DRIVER();
  test::Random random(test::seed());
  const std::string body = test::random_bytes(random, 20 * kMiB + 1);
  CHECK(put(driver, "main/pack", body));
  CHECK((get(driver, "main/pack") == body));
  CHECK((get(driver, "main/pack", {10 * kMiB, 100}) == body.substr(10 * kMiB, 100)));
}

TEST_CASE("driver: absent is a value", "[contract]") {
  FOR_EVERY_DRIVER();
  const auto nothing_there = [&](std::string_view key) {
    CHECK_FALSE(get(driver, key).has_value());
    CHECK_FALSE(driver.stat(key).has_value());
  };
  nothing_there("key");
  CHECK(keys_of(driver).empty());
  CHECK(keys_of(driver, "main/").empty());
  put(driver, "main/backup/1", "x");
  nothing_there("key");
  nothing_there("main");
  nothing_there("main/backup");
  nothing_there("main/backup/2");
  nothing_there("main/wal/1");
  CHECK(keys_of(driver, "main/wal/").empty());
}

TEST_CASE("driver: keys are listed in byte order, over directories too", "[contract]") {
  FOR_EVERY_DRIVER();
  // '-' < '.' < '/' < '0' < 'A' < '_' < 'a': the order of a walk over directories is another one.
  const Keys keys{"a-b",     "a-b2/x", "a-c/x/y", "a.b",  "a/-",     "a/0", "a/b-",
                  "a/b.c/d", "a/b/c",  "a/b0",    "a0",   "a0b/b/c", "aA",  "a_",
                  "aa",      "b/1",    "b/10",    "b/2-", "b/2/x"};
  REQUIRE(std::is_sorted(keys.begin(), keys.end()));
  Keys shuffled = keys;
  std::shuffle(shuffled.begin(), shuffled.end(), test::Random(test::seed()));
  for (const std::string& key : shuffled) put(driver, key, key);
  CHECK(keys_of(driver) == keys);
}

TEST_CASE("driver: a prefix is any beginning of a key", "[contract]") {
  FOR_EVERY_DRIVER();
  for (const char* key : {"main/wal/1/000000010000000A", "main/wal/1/000000010000000B",
                          "main/wal/10/x", "main/backup/1", "mainz/backup/1", "other"}) {
    put(driver, key, key);
  }
  CHECK(keys_of(driver, "main") == Keys{"main/backup/1", "main/wal/1/000000010000000A",
                                        "main/wal/1/000000010000000B", "main/wal/10/x",
                                        "mainz/backup/1"});
  CHECK(keys_of(driver, "main/").size() == 4);
  CHECK(keys_of(driver, "main/wal/1").size() == 3);
  CHECK(keys_of(driver, "main/wal/1/") ==
        Keys{"main/wal/1/000000010000000A", "main/wal/1/000000010000000B"});
  CHECK(keys_of(driver, "main/wal/1/000000010000000B") == Keys{"main/wal/1/000000010000000B"});
  CHECK(keys_of(driver, "main/x").empty());
  CHECK(keys_of(driver, "z/").empty());
}

TEST_CASE("driver: folders are named once, without what is in them", "[contract]") {
  FOR_EVERY_DRIVER();
  CHECK(driver.folders("").empty());
  CHECK(driver.folders("main/data/").empty());
  // '-' < '.' < '/' < '0': the order of the keys, not of the names.
  for (const char* key : {"main/data/b/pack/1", "main/data/b/pack/2", "main/data/b/manifest/1",
                          "main/data/a/1", "main/data/a-b/1", "main/data/a.b/1", "main/data/a0/1",
                          "main/data/file", "main/database/1", "mainz/data/c/1", "top"}) {
    put(driver, key, key);
  }
  CHECK(driver.folders("main/data/") == Keys{"a-b", "a.b", "a", "a0", "b"});
  CHECK(driver.folders("main/data/b/") == Keys{"manifest", "pack"});
  CHECK(driver.folders("main/data/b/pack/").empty());
  CHECK(driver.folders("") == Keys{"main", "mainz"});
  driver.remove({{"mainz/data/c/1"}});
  CHECK(driver.folders("") == Keys{"main"});
}

TEST_CASE("driver: a long listing is complete", "[contract]") {
  FOR_EVERY_DRIVER();
  test::Random random(test::seed());
  std::set<std::string> keys;
  while (keys.size() < 2000) {
    keys.insert(format("s{}/{}/{:04x}", test::below(random, 3), test::below(random, 30),
                       test::below(random, 65536)));
  }
  for (const std::string& key : keys) put(driver, key, key);
  CHECK((keys_of(driver) == Keys(keys.begin(), keys.end())));
  Keys of_s1;
  std::copy_if(keys.begin(), keys.end(), std::back_inserter(of_s1),
               [](const std::string& key) { return key.starts_with("s1/1"); });
  CHECK((keys_of(driver, "s1/1") == of_s1));
  std::size_t wrong_sizes = 0;
  driver.list("",
              [&](const Object& object) { wrong_sizes += object.size_bytes != object.key.size(); });
  CHECK(wrong_sizes == 0);
}

TEST_CASE("driver: what the visitor throws passes through, and it may use the driver",
          "[contract]") {
  FOR_EVERY_DRIVER();
  for (const char* key : {"a/1", "a/2", "b/1", "b/2"}) put(driver, key, key);
  int visits = 0;
  CHECK_THROWS_AS(driver.list("",
                              [&](const Object&) {
                                if (++visits == 2) throw TransientError("the visitor's own");
                              }),
                  TransientError);
  CHECK(visits == 2);
  Keys seen;
  driver.list("", [&](const Object& object) {
    seen.push_back(object.key + "=" + get(driver, object.key).value_or("absent"));
    driver.remove({{object.key}});
  });
  CHECK(seen == Keys{"a/1=a/1", "a/2=a/2", "b/1=b/1", "b/2=b/2"});
  CHECK(keys_of(driver).empty());
}

TEST_CASE("driver: remove", "[contract]") {
  FOR_EVERY_DRIVER();
  driver.remove({});
  driver.remove({{"never/was"}});
  Keys keys;
  for (int i = 0; i < 300; ++i) keys.push_back(format("main/pack/{:03}", i));
  for (const std::string& key : keys) put(driver, key, key);
  put(driver, "main/backup", "stays");
  Keys going(keys.begin(), keys.begin() + 200);
  going.push_back("main/pack/absent");
  going.push_back(going.front());
  driver.remove(going);
  CHECK(keys_of(driver, "main/pack/") == Keys(keys.begin() + 200, keys.end()));
  CHECK_FALSE(driver.stat(keys[0]));
  driver.remove(keys);
  CHECK(keys_of(driver) == Keys{"main/backup"});
  CHECK(put(driver, keys[0], "again"));
  CHECK(get(driver, keys[0]) == "again");
  driver.remove({{"main"}});  // what is not an object is absent
  CHECK(keys_of(driver) == Keys{"main/backup", keys[0]});
}

TEST_CASE("driver: of two puts of one key exactly one wins", "[contract]") {
  FOR_EVERY_DRIVER();
  constexpr int rounds = 40;
  for (int round = 0; round < rounds; ++round) {
    const std::string key = format("lease/{}/x", round);
    const std::array bodies{std::string(1000, 'a'), std::string(2000, 'b')};
    std::array<bool, 2> won{};
    std::array<std::string, 2> errors;
    std::barrier start(2);
    const auto race = [&](std::size_t me) {
      start.arrive_and_wait();
      try {
        won[me] = put(driver, key, bodies[me], me == 0 ? IfExists::keep : IfExists::fail);
      } catch (const ConflictError&) {
      } catch (const Error& error) {
        errors[me] = error.render();
      }
    };
    std::thread other(race, 1);
    race(0);
    other.join();
    REQUIRE(errors == std::array<std::string, 2>{});
    REQUIRE(won[0] != won[1]);
    REQUIRE(get(driver, key) == bodies[won[0] ? 0 : 1]);
  }
  CHECK(keys_of(driver).size() == rounds);
}

TEST_CASE("driver: puts and removes in one directory do not hurt each other", "[contract]") {
  FOR_EVERY_DRIVER();
  // Removing the last object of a directory removes it, under the feet of a put.
  std::atomic<int> failures = 0;
  const auto work = [&](int me) {
    try {
      for (int i = 0; i < 100; ++i) {
        const std::string key = format("deep/er/{}/{}", i % 3, me);
        if (!put(driver, key, key) || get(driver, key) != key) ++failures;
        driver.remove({{key}});
        if (driver.stat(key)) ++failures;
      }
    } catch (const Error& error) {
      ++failures;
      std::fprintf(stderr, "%s\n", error.render().c_str());
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  CHECK(failures == 0);
  CHECK(keys_of(driver).empty());
}

TEST_CASE("driver: what is no key is refused", "[contract]") {
  FOR_EVERY_DRIVER();
  const std::string bad =
      GENERATE(values<std::string>({"",
                                    "/",
                                    "/a",
                                    "a/",
                                    "a//b",
                                    ".",
                                    "..",
                                    "a/..",
                                    "../a",
                                    "a/../b",
                                    ".a",
                                    "a/.b",
                                    "a b",
                                    "a\n",
                                    "a\\b",
                                    "caf\xc3\xa9",
                                    std::string("a\0b", 3),
                                    "a+b",
                                    "a%2fb",
                                    "a:b",
                                    std::string(256, 'x'),
                                    std::string(600, 'x') + "/" + std::string(600, 'y')}));
  INFO("key: " << bad);
  CHECK_THROWS_AS(put(driver, bad, "x"), Error);
  CHECK_THROWS_AS(get(driver, bad), Error);
  CHECK_THROWS_AS(driver.stat(bad), Error);
  put(driver, "good", "x");
  CHECK_THROWS_AS(driver.remove({{"good", bad}}), Error);
  CHECK(keys_of(driver) == Keys{"good"});
}

TEST_CASE("driver: what is no beginning of a key is refused", "[contract]") {
  FOR_EVERY_DRIVER();
  const std::string bad = GENERATE(values<std::string>(
      {"/", "a//", "a//b", "..", "../", "a/../", "a/.", "a b", std::string(2000, 'x')}));
  INFO("prefix: " << bad);
  CHECK_THROWS_AS(keys_of(driver, bad), Error);
  CHECK_THROWS_AS(driver.folders(bad), Error);
  CHECK_THROWS_AS(driver.folders("a"), Error);
}

TEST_CASE("driver: a put that fails leaves nothing to be seen", "[contract]") {
  const Store store = GENERATE(Store::posix, Store::memory);
  Subject subject(store, Wrapper::none);
  bool failing = true;
  const auto driver =
      with_faults(std::move(subject.driver), [&](std::string_view operation, std::string_view) {
        if (failing && operation == "put") throw Error("cannot: a fault");
      });
  CHECK_THROWS_AS(put(*driver, "a/b", "content"), Error);
  CHECK(keys_of(*driver).empty());
  CHECK_FALSE(driver->stat("a/b"));
  failing = false;
  CHECK(put(*driver, "a/b", "content"));
}
