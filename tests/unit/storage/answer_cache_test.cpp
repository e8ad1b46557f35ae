#include "support/fake_clock.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/storage/answer_cache.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using namespace std::chrono_literals;
using test::FakeClock;
using test::TempDir;

namespace {

/// A store whose requests are counted, and the driver of one run of the program after the other.
struct Scene {
  Scene() { next_run(); }

  /// Ends a run and begins the next.
  void next_run() {
    driver.reset();
    auto counted = with_faults(
        make_posix(directory / "store"), [this](std::string_view operation, std::string_view key) {
          asked.emplace_back(std::string(operation) + " " + std::string(key));
        });
    AnswerCacheSettings settings;
    fs::create_directory(directory / "state");
    settings.file = directory / "state/recall/s3";
    settings.takes = [](std::string_view key) { return key.starts_with("about/"); };
    driver = with_answer_cache(std::move(counted), settings, clock);
    asked.clear();
  }
  std::string get(std::string_view key) {
    Buffer out;
    return driver->get(key, {}, out) ? std::string(as_text(out)) : "absent";
  }
  std::vector<std::string> list(std::string_view prefix) {
    std::vector<std::string> keys;
    driver->list(prefix, [&](const Object& object) { keys.push_back(object.key); });
    return keys;
  }
  void put(const std::string& key, std::string_view text) {
    make_posix(directory / "store")->put(key, as_bytes(text), IfExists::fail);
  }
  void remove(const std::string& key) { make_posix(directory / "store")->remove({&key, 1}); }

  TempDir directory;
  FakeClock clock;
  std::vector<std::string> asked;
  std::unique_ptr<Driver> driver;
};

}  // namespace

TEST_CASE("recall: what was asked in the last run is not asked again") {
  Scene scene;
  scene.put("about/id", "seven");
  scene.put("about/list/a", "A");
  scene.put("other", "O");
  for (int run = 0; run < 3; ++run) {
    scene.next_run();
    CHECK(scene.get("about/id") == "seven");
    Buffer cut;
    CHECK(scene.driver->get("about/id", {0, 3}, cut));
    CHECK(as_text(cut) == "sev");
    const auto object = scene.driver->stat("about/id");
    REQUIRE(object);
    CHECK(object->size_bytes == 5);
    CHECK(object->key == "about/id");
    CHECK(scene.list("about/list/") == std::vector<std::string>{"about/list/a"});
    CHECK(scene.list("about/none/").empty());
    CHECK(scene.get("other") == "O");
    if (run == 0) {
      CHECK(scene.asked.size() == 5);
    } else {
      CHECK(scene.asked == std::vector<std::string>{"get other"});
    }
  }
}

TEST_CASE("recall: for a minute, by a clock that may be set back") {
  Scene scene;
  scene.put("about/id", "seven");
  CHECK(scene.get("about/id") == "seven");
  scene.next_run();
  const bool back = GENERATE(false, true);
  scene.clock.advance(back ? -1ms : 59s);
  CHECK(scene.get("about/id") == "seven");
  CHECK(scene.asked.size() == (back ? 1 : 0));
  if (back) return;
  scene.clock.advance(1s);
  CHECK(scene.get("about/id") == "seven");
  CHECK(scene.asked.size() == 1);
}

TEST_CASE("recall: absence is never remembered, and ends all memory") {
  Scene scene;
  CHECK(scene.get("about/id") == "absent");
  CHECK_FALSE(scene.driver->stat("about/id"));
  scene.put("about/id", "seven");
  CHECK(scene.get("about/id") == "seven");
  scene.put("about/more", "eight");
  CHECK(scene.driver->stat("about/more"));
  scene.next_run();
  SECTION("whatever is absent") {
    CHECK(scene.get("some/wal") == "absent");
  }
  SECTION("whoever looks") {
    CHECK_FALSE(scene.driver->stat("some/wal"));
  }
  scene.next_run();
  scene.remove("about/id");
  CHECK(scene.get("about/id") == "absent");
  CHECK(scene.driver->stat("about/more"));
  CHECK(scene.asked.size() == 2);
}

TEST_CASE("recall: what we change ourselves is asked again") {
  Scene scene;
  scene.put("about/a", "A");
  CHECK(scene.list("about/").size() == 1);
  scene.next_run();
  SECTION("a put") {
    CHECK(scene.driver->put("about/b", as_bytes("B"), IfExists::fail));
    CHECK(scene.list("about/").size() == 2);
  }
  SECTION("a remove") {
    const std::string key = "about/a";
    scene.driver->remove({&key, 1});
    CHECK(scene.list("about/").empty());
  }
  SECTION("but not for what is none of its business") {
    CHECK(scene.driver->put("wal", as_bytes("W"), IfExists::fail));
    CHECK(scene.list("about/").size() == 1);
    CHECK(scene.asked == std::vector<std::string>{"put wal"});
  }
}

TEST_CASE("recall: large answers and ranges are not kept") {
  Scene scene;
  scene.put("about/large", std::string(16 * kKiB + 1, 'x'));
  scene.put("about/small", "0123456789");
  for (int n = 0; n < 65; ++n) scene.put("about/many/" + std::to_string(n), "");
  for (int run = 0; run < 2; ++run) {
    scene.next_run();
    CHECK(scene.get("about/large").size() == 16 * kKiB + 1);
    CHECK(scene.list("about/many/").size() == 65);
    Buffer part;
    CHECK(scene.driver->get("about/small", {2, 3}, part));
    CHECK(as_text(part) == "234");
    CHECK(scene.asked.size() == 3);
  }
}

TEST_CASE("recall: a file that is not ours, not whole or of another store is as good as none") {
  Scene scene;
  scene.put("about/id", "seven");
  CHECK(scene.get("about/id") == "seven");
  scene.driver.reset();
  const fs::path file = scene.directory / "state/recall/s3";
  REQUIRE(stat_if_exists(file));
  CHECK((stat_if_exists(file)->st_mode & 0777) == 0600);
  const Buffer content = read_file(file);
  SECTION("other users could have written it") {
    fs::permissions(file, fs::perms(0620));
  }
  SECTION("others could have read it") {
    fs::permissions(file, fs::perms(0640));
  }
  SECTION("others could have entered its directory") {
    fs::permissions(file.parent_path(), fs::perms(0750));
  }
  SECTION("a bit changed") {
    std::string text(as_text(content));
    text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 4);
    write_file_atomically(file, as_bytes(text), 0600);
  }
  SECTION("cut") {
    fs::resize_file(file, content.size() - 9);
  }
  SECTION("empty") {
    fs::resize_file(file, 0);
  }
  SECTION("a directory") {
    fs::remove(file);
    fs::create_directory(file);
  }
  SECTION("of another store") {
    auto other = with_answer_cache(make_posix(scene.directory / "elsewhere"),
                                   {file, 60s, [](std::string_view) { return true; }}, scene.clock);
    Buffer out;
    CHECK_FALSE(other->get("about/id", {}, out));
    return;
  }
  scene.next_run();
  CHECK(scene.get("about/id") == "seven");
  CHECK(scene.asked.size() == 1);
}
