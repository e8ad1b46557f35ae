#include "http/store_clock.hpp"

#include "http/answer.hpp"
#include "support/fake_clock.hpp"

#include <chrono>
#include <vector>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using namespace std::chrono_literals;
using test::FakeClock;

namespace {

/// A store with a clock of its own, which takes what was signed within 15 minutes of it.
struct Store {
  Timestamp time;
  std::vector<Timestamp> signed_at{};

  HttpResponse answer(Timestamp when) {
    signed_at.push_back(when);
    HttpResponse response;
    response.status = std::chrono::abs(when - time) < 15min ? 200 : 403;
    response.headers["date"] = format_http_date(time);
    return response;
  }
};

}  // namespace

TEST_CASE("store clock: a store that is at another time is asked at that time") {
  const auto offset = GENERATE(values<std::chrono::minutes>({-26h, -16min, 16min, 26h}));
  FakeClock machine;
  StoreClock clock("the store", machine);
  Store store{machine.now() + offset};
  const auto ask = [&] { return clock.send([&](Timestamp when) { return store.answer(when); }); };
  CHECK(ask().status == 200);
  CHECK(store.signed_at.size() == 2);
  CHECK(ask().status == 200);
  CHECK(store.signed_at.size() == 3);
  SECTION("until the machine's clock is set") {
    machine.advance(std::chrono::duration_cast<milliseconds>(offset));
    CHECK(ask().status == 200);
    CHECK(std::chrono::abs(clock.now() - machine.now()) < 5min);
  }
}

TEST_CASE("store clock: what is refused for another reason is not sent again") {
  FakeClock machine;
  StoreClock clock("the store", machine);
  int sent = 0;
  const auto ask = [&](const char* date) {
    return clock.send([&](Timestamp) {
      ++sent;
      HttpResponse response;
      response.status = 403;
      response.headers["date"] = date;
      return response;
    });
  };
  CHECK(ask(format_http_date(machine.now() + 4min).c_str()).status == 403);
  CHECK(ask("").status == 403);
  CHECK(ask("yesterday").status == 403);
  CHECK(sent == 3);
}
