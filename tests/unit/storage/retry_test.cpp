#include "storage/throttled_error.hpp"
#include "support/fake_clock.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/drivers.hpp>

#include <algorithm>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using namespace std::chrono_literals;
using test::FakeClock;

namespace {

/// Does what is asked, then loses the answer as often as `losses` says.
class LosesAnswers : public Driver {
 public:
  explicit LosesAnswers(int losses) : losses_(losses) {}

  std::string describe() const override { return inner->describe(); }
  Features features() const override { return inner->features(); }
  bool put(std::string_view key, Bytes body, IfExists if_exists) override {
    ++calls;
    const bool created = inner->put(key, body, if_exists);
    lose();
    return created;
  }
  bool get(std::string_view key, Range range, Buffer& out) override {
    ++calls;
    const bool found = inner->get(key, range, out);
    lose();
    return found;
  }
  std::optional<Object> stat(std::string_view key) override {
    ++calls;
    auto object = inner->stat(key);
    lose();
    return object;
  }
  void list(std::string_view prefix, const std::function<void(const Object&)>& visit) override {
    ++calls;
    int visited = 0;
    inner->list(prefix, [&](const Object& object) {
      if (visited++ == fail_after_visits) lose();
      visit(object);
    });
  }
  std::vector<std::string> folders(std::string_view prefix) override {
    ++calls;
    auto names = inner->folders(prefix);
    lose();
    return names;
  }
  void remove(std::span<const std::string> keys) override {
    ++calls;
    inner->remove(keys);
    lose();
  }

  std::shared_ptr<Driver> inner = make_memory();
  int calls = 0;
  int fail_after_visits = 2;

 private:
  void lose() {
    if (losses_ == 0) return;
    --losses_;
    throw TransientError("cannot hear the store: connection reset");
  }
  int losses_;
};

struct Scene {
  explicit Scene(int losses, RetryPolicy policy = {}, std::stop_token stop = {}) {
    auto made = std::make_unique<LosesAnswers>(losses);
    inner = made.get();
    driver = with_retry(std::move(made), policy, stop, clock);
  }
  FakeClock clock;
  LosesAnswers* inner;
  std::unique_ptr<Driver> driver;
};

constexpr int kAlways = 1'000'000;

}  // namespace

TEST_CASE("retry_delay doubles up to the longest, and jitter decides the upper half") {
  const RetryPolicy policy{.first_delay = 100ms, .longest_delay = 1000ms, .deadline = 1h};
  struct Row {
    unsigned attempt;
    double jitter;
    milliseconds delay;
  };
  for (const Row& row :
       {Row{1, 0, 50ms}, Row{1, 0.5, 75ms}, Row{1, 0.999, 99ms}, Row{2, 0, 100ms},
        Row{2, 0.5, 150ms}, Row{3, 0, 200ms}, Row{4, 0, 400ms}, Row{4, 0.75, 700ms},
        Row{5, 0, 500ms}, Row{5, 0.5, 750ms}, Row{6, 0.5, 750ms}, Row{4'000'000'000, 0.5, 750ms}}) {
    INFO("attempt " << row.attempt << ", jitter " << row.jitter);
    CHECK(retry_delay(policy, row.attempt, row.jitter) == row.delay);
  }
  const RetryPolicy odd{.first_delay = 5s, .longest_delay = 1s, .deadline = 1h};
  CHECK(retry_delay(odd, 1, 0) == 500ms);
  const RetryPolicy eager{.first_delay = 0ms, .longest_delay = 0ms, .deadline = 1h};
  CHECK(retry_delay(eager, 7, 0.5) == 0ms);
}

TEST_CASE("retry repeats what may pass until it does") {
  Scene scene(3);
  CHECK_FALSE(scene.driver->stat("a"));
  CHECK(scene.inner->calls == 4);
  CHECK(scene.clock.slept().size() == 3);
}

TEST_CASE("retry ends at its deadline, not before and not after") {
  const RetryPolicy policy{.first_delay = 100ms, .longest_delay = 10s, .deadline = 120s};
  Scene scene(kAlways, policy);
  const Timestamp began = scene.clock.now();
  std::string text;
  try {
    scene.driver->stat("a");
  } catch (const TransientError& error) {
    text = error.render();
  }
  CHECK(scene.clock.now() - began == policy.deadline);
  CHECK(scene.inner->calls == static_cast<int>(scene.clock.slept().size()) + 1);
  CHECK(text == format("cannot hear the store: connection reset\n  while trying {} times in 2m00s",
                       scene.inner->calls));
}

TEST_CASE("retry does not wait again for a store that was waited for in vain") {
  const RetryPolicy policy{.first_delay = 1s, .longest_delay = 1s, .deadline = 10s};
  FakeClock clock;
  int calls = 0;
  bool down = true;
  const auto driver = with_retry(with_faults(make_memory(),
                                             [&](std::string_view, std::string_view) {
                                               ++calls;
                                               if (down) throw TransientError("no answer");
                                             }),
                                 policy, {}, clock);
  CHECK_THROWS_AS(driver->stat("a"), TransientError);
  CHECK(calls > 5);
  calls = 0;
  CHECK_THROWS_AS(driver->stat("b"), TransientError);
  CHECK_THROWS_AS(driver->list("", [](const Object&) {}), TransientError);
  CHECK(calls == 2);
  down = false;
  CHECK_FALSE(driver->stat("a"));
  down = true;
  calls = 0;
  CHECK_THROWS_AS(driver->stat("b"), TransientError);
  CHECK(calls > 5);
}

TEST_CASE("retry counts the time that the attempts themselves take") {
  FakeClock clock;
  int calls = 0;
  const auto driver =
      with_retry(with_faults(make_memory(),
                             [&](std::string_view, std::string_view) {
                               ++calls;
                               clock.advance(30s);
                               throw TransientError("slow");
                             }),
                 {.first_delay = 1ms, .longest_delay = 1ms, .deadline = 100s}, {}, clock);
  CHECK_THROWS_AS(driver->stat("a"), TransientError);
  CHECK(calls == 4);
}

TEST_CASE("retry ends although the clock is set back again and again") {
  FakeClock clock;
  clock.before_sleep = [&](milliseconds) { clock.advance(-1h); };
  const auto driver =
      with_retry(with_faults(make_memory(),
                             [](std::string_view, std::string_view) { throw TransientError("x"); }),
                 {.first_delay = 0ms, .longest_delay = 1s, .deadline = 10s}, {}, clock);
  CHECK_THROWS_AS(driver->stat("a"), TransientError);
}

TEST_CASE("retry does not repeat what cannot pass") {
  FakeClock clock;
  int calls = 0;
  const auto driver = with_retry(with_faults(make_memory(),
                                             [&](std::string_view, std::string_view) {
                                               ++calls;
                                               throw SystemError("cannot read \"x\"", EIO);
                                             }),
                                 {}, {}, clock);
  CHECK_THROWS_AS(driver->stat("a"), SystemError);
  CHECK(calls == 1);
  CHECK(clock.slept().empty());
}

TEST_CASE("retry ends when it is asked to") {
  std::stop_source stop;
  Scene scene(kAlways, {}, stop.get_token());
  int sleeps = 0;
  scene.clock.before_sleep = [&](milliseconds) {
    if (++sleeps == 3) stop.request_stop();
  };
  CHECK_THROWS_AS(scene.driver->stat("a"), Interrupted);
  CHECK(scene.inner->calls == 3);
}

TEST_CASE("retry makes one attempt for whoever tidies up after a stop") {
  std::stop_source stop;
  stop.request_stop();
  CHECK_FALSE(Scene(0, {}, stop.get_token()).driver->stat("a"));
  Scene failing(kAlways, {}, stop.get_token());
  CHECK_THROWS_AS(failing.driver->stat("a"), Interrupted);
  CHECK(failing.inner->calls == 1);
}

TEST_CASE("retry: a put whose answer was lost has created the object") {
  const IfExists if_exists = GENERATE(IfExists::fail, IfExists::keep);
  const int losses = GENERATE(1, 2, 3, 4);  // of put, put, stat and get in turn
  const std::string body = GENERATE(std::string(), std::string("content"));
  Scene scene(losses);
  CHECK(scene.driver->put("a", as_bytes(body), if_exists));
  Buffer out;
  REQUIRE(scene.inner->inner->get("a", {}, out));
  CHECK(as_text(out) == body);
}

TEST_CASE("retry: another's object is not taken for ours") {
  const std::string theirs =
      GENERATE(std::string("content!"), std::string("CONTENT"), std::string());
  Scene scene(1);
  scene.inner->inner->put("a", as_bytes(theirs), IfExists::fail);
  SECTION("fail") {
    CHECK_THROWS_AS(scene.driver->put("a", as_bytes("content"), IfExists::fail), ConflictError);
  }
  SECTION("keep") {
    CHECK_FALSE(scene.driver->put("a", as_bytes("content"), IfExists::keep));
  }
}

TEST_CASE("retry: without a lost answer an equal object may be there already, or be ours") {
  Scene scene(0);
  scene.driver->put("a", as_bytes("content"), IfExists::fail);
  CHECK_FALSE(scene.driver->put("a", as_bytes("content"), IfExists::keep));
  // Something on the way may have sent the request twice.
  CHECK(scene.driver->put("a", as_bytes("content"), IfExists::fail));
  CHECK_THROWS_AS(scene.driver->put("a", as_bytes("CONTENT"), IfExists::fail), ConflictError);
}

TEST_CASE("retry: a listing that breaks off goes on behind the last key") {
  Scene scene(2);
  scene.inner->fail_after_visits = 2;
  std::vector<std::string> keys{"a", "b", "c", "d", "e"};
  for (const std::string& key : keys) scene.inner->inner->put(key, as_bytes(key), IfExists::fail);
  std::vector<std::string> seen;
  scene.driver->list("", [&](const Object& object) { seen.push_back(object.key); });
  CHECK(seen == keys);
  CHECK(scene.inner->calls == 3);
}

TEST_CASE("retry: what the visitor throws is not the store's failure") {
  Scene scene(0);
  scene.driver->put("a", as_bytes("x"), IfExists::fail);
  scene.inner->calls = 0;
  CHECK_THROWS_AS(
      scene.driver->list("", [](const Object&) { throw TransientError("the visitor's"); }),
      TransientError);
  CHECK_THROWS_AS(scene.driver->list("", [](const Object&) { throw Interrupted(); }), Interrupted);
  CHECK(scene.inner->calls == 2);
  CHECK(scene.clock.slept().empty());
}

TEST_CASE("retry: remove and get") {
  Scene scene(2);
  scene.inner->inner->put("a", as_bytes("x"), IfExists::fail);
  Buffer out;
  CHECK(scene.driver->get("a", {}, out));
  CHECK(as_text(out) == "x");
  Scene other(2);
  other.inner->inner->put("a", as_bytes("x"), IfExists::fail);
  other.driver->remove({{"a"}});
  CHECK_FALSE(other.driver->stat("a"));
}

TEST_CASE("retry: a store that says when it is to be asked again is not asked before") {
  FakeClock clock;
  int calls = 0;
  const auto asked_for = GENERATE(as<milliseconds>(), 0ms, 7000ms, 500'000ms);
  const auto driver = with_retry(with_faults(make_memory(),
                                             [&](std::string_view, std::string_view) {
                                               if (++calls == 1)
                                                 throw ThrottledError("503 SlowDown", asked_for);
                                             }),
                                 {100ms, 10'000ms, 120'000ms}, {}, clock);
  CHECK(driver->put("a", as_bytes("x"), IfExists::fail));
  REQUIRE(clock.slept().size() == 1);
  CHECK(clock.slept()[0] >= std::min(asked_for, milliseconds(120'000)));
  CHECK(clock.slept()[0] <= std::max(asked_for, milliseconds(100)));
  CHECK(clock.slept()[0] <= 120'000ms);
}
