#include "support/fake_clock.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <thread>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using namespace std::chrono_literals;
using test::FakeClock;

namespace {

struct Scene {
  explicit Scene(std::uint64_t rate, std::stop_token stop = {})
      : driver(with_throttle(make_memory(), rate, stop, is_urgent, clock)) {}

  void put(std::size_t size) {
    driver->put(std::to_string(++puts), as_bytes(std::string(size, 'x')), IfExists::fail);
  }
  std::size_t get(std::string_view key, Range range = {}) {
    Buffer out;
    driver->get(key, range, out);
    return out.size();
  }

  static bool is_urgent(std::string_view key) { return key.starts_with("lease/"); }

  FakeClock clock;
  std::unique_ptr<Driver> driver;
  int puts = 0;
};

}  // namespace

TEST_CASE("throttle: bytes cost time") {
  struct Row {
    std::uint64_t rate;
    std::size_t size;
    milliseconds wait;
  };
  for (const Row& row :
       {Row{1000, 1000, 1000ms}, Row{1000, 1, 1ms}, Row{1'000'000, 1, 1ms}, Row{3, 10, 3334ms},
        Row{1'000'000, 2'500'000, 2500ms}, Row{UINT64_MAX / 2, 1000, 0ms}}) {
    INFO(row.size << " bytes at " << row.rate);
    Scene scene(row.rate);
    scene.put(row.size);
    CHECK(scene.clock.slept_in_all() == row.wait);
  }
}

TEST_CASE("throttle: no limit, no bytes: no wait") {
  Scene unlimited(0);
  unlimited.put(1'000'000);
  CHECK(unlimited.clock.slept().empty());
  Scene scene(1);
  scene.put(0);
  scene.driver->stat("1");
  CHECK(scene.get("absent") == 0);
  CHECK(scene.clock.slept().empty());
}

TEST_CASE("throttle: one put after the other runs at the rate, pauses come on top") {
  Scene scene(1000);
  const Timestamp began = scene.clock.now();
  for (int i = 0; i < 10; ++i) {
    scene.put(700);
    if (i % 3 == 0) scene.clock.advance(200ms);
  }
  CHECK(scene.clock.now() - began == 7800ms);
}

TEST_CASE("throttle: time that nobody used is not saved up") {
  Scene scene(1000);
  scene.clock.advance(1h);
  scene.put(2000);
  CHECK(scene.clock.slept_in_all() == 2000ms);
}

TEST_CASE("throttle: the directions do not share; a range costs its length") {
  Scene scene(1000);
  scene.put(5000);
  REQUIRE(scene.clock.slept_in_all() == 5000ms);
  CHECK(scene.get("1", {1000, 500}) == 500);
  CHECK(scene.clock.slept_in_all() == 5500ms);
}

TEST_CASE("throttle: a clock that is set back costs nothing") {
  Scene scene(1000);
  scene.put(100);
  scene.clock.advance(-1h);
  scene.put(100);
  CHECK(scene.clock.slept_in_all() <= 300ms);
}

TEST_CASE("throttle: threads share the rate") {
  // The clock stands still while they ask, so the second owes for the first as well.
  Scene scene(1000);
  scene.clock.before_sleep = [&](milliseconds wait) { scene.clock.advance(-wait); };
  scene.put(1000);
  scene.put(1000);
  CHECK(scene.clock.slept() == std::vector<milliseconds>{1000ms, 2000ms});
}

TEST_CASE("throttle: a stop ends the wait, and what was not sent is not sent") {
  std::stop_source stop;
  Scene scene(1000, stop.get_token());
  stop.request_stop();
  CHECK_THROWS_AS(scene.put(1000), Interrupted);
  CHECK_FALSE(scene.driver->stat("1"));
}

TEST_CASE(
    "throttle: what is urgent waits for nothing, however much is owed, and after a stop too") {
  std::stop_source stop;
  Scene scene(1000, stop.get_token());
  scene.put(50'000);
  const milliseconds before = scene.clock.slept_in_all();
  scene.driver->put("lease/a", as_bytes("held"), IfExists::fail);
  CHECK(scene.get("lease/a") == 4);
  CHECK(scene.clock.slept_in_all() == before);
  stop.request_stop();
  CHECK(scene.driver->put("lease/b", as_bytes("released"), IfExists::fail));
  CHECK_THROWS_AS(scene.put(1), Interrupted);
}

TEST_CASE("throttle: what is urgent is paid for by the rest") {
  Scene scene(1000);
  scene.clock.before_sleep = [&](milliseconds wait) { scene.clock.advance(-wait); };
  scene.driver->put("lease/a", as_bytes(std::string(500, 'x')), IfExists::fail);
  scene.put(1000);
  CHECK(scene.clock.slept() == std::vector<milliseconds>{1500ms});
}
