#include "support/random.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/time.hpp>

#include <cstdlib>
#include <ctime>
#include <thread>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace std::chrono_literals;

namespace {

Timestamp at(std::int64_t microseconds) {
  return Timestamp(std::chrono::microseconds(microseconds));
}

/// The zone of this process, until the end of the scope.
class Zone {
 public:
  explicit Zone(const char* name) {
    if (const char* before = std::getenv("TZ")) before_ = before;
    ::setenv("TZ", name, 1);
    ::tzset();
  }
  ~Zone() {
    before_ ? ::setenv("TZ", before_->c_str(), 1) : ::unsetenv("TZ");
    ::tzset();
  }

 private:
  std::optional<std::string> before_;
};

}  // namespace

TEST_CASE("times in UTC") {
  struct Row {
    std::int64_t microseconds;
    const char* utc;
    const char* label;
  };
  for (const Row& row : {Row{0, "1970-01-01T00:00:00Z", "19700101-000000"},
                         Row{1795222923'000000, "2026-11-21T01:02:03Z", "20261121-010203"},
                         Row{1795222923'000001, "2026-11-21T01:02:03.000001Z", "20261121-010203"},
                         Row{1795222923'500000, "2026-11-21T01:02:03.500000Z", "20261121-010203"},
                         Row{1795222923'999999, "2026-11-21T01:02:03.999999Z", "20261121-010203"},
                         Row{951782400'000000, "2000-02-29T00:00:00Z", "20000229-000000"},
                         Row{4102444799'000000, "2099-12-31T23:59:59Z", "20991231-235959"},
                         Row{-1, "1969-12-31T23:59:59.999999Z", "19691231-235959"},
                         Row{-1'000000, "1969-12-31T23:59:59Z", "19691231-235959"}}) {
    INFO(row.utc);
    CHECK(format_utc(at(row.microseconds)) == row.utc);
    CHECK(parse_utc(row.utc) == at(row.microseconds));
    CHECK(format_label_time(at(row.microseconds)) == row.label);
  }
}

TEST_CASE("parse_utc takes what format_utc prints, no more") {
  for (const char* text :
       {"", "2026-11-21", "2026-11-21T01:02:03", "2026-11-21 01:02:03Z", "2026-11-21T01:02:03+01",
        "2026-11-21T01:02:03.5Z", "2026-11-21T01:02:03.1234567Z", "2026-11-21T01:02:03.12345xZ",
        "2026-13-21T01:02:03Z", "2026-11-31T01:02:03Z", "2026-02-29T01:02:03Z",
        "2026-11-21T24:00:00Z", "2026-11-21T01:60:03Z", "2026-11-21T01:02:60Z",
        "2026-11-21T01:02:03ZZ", "x026-11-21T01:02:03Z", "2026-11-21T 1:02:03Z",
        "2026-11-21T01:02:03,500000Z", "2026-11-21T01:02:3Z0"}) {
    INFO(text);
    CHECK_FALSE(parse_utc(text));
  }
}

TEST_CASE("any time comes back from its text", "[property]") {
  test::Random random(test::seed());
  for (int i = 0; i < 5000; ++i) {
    const Timestamp when = at(static_cast<std::int64_t>(test::below(random, 4102444800'000000)));
    if (parse_utc(format_utc(when)) != when)
      FAIL("seed " << test::seed() << ": " << format_utc(when));
  }
  SUCCEED();
}

TEST_CASE("format_local prints the zone as PostgreSQL does") {
  const Timestamp when = at(1795222923'500000);
  {
    const Zone zone("UTC0");
    CHECK(format_local(when) == "2026-11-21 01:02:03+00");
  }
  {
    const Zone zone("CET-1");
    CHECK(format_local(when) == "2026-11-21 02:02:03+01");
  }
  {
    const Zone zone("IST-5:30");
    CHECK(format_local(when) == "2026-11-21 06:32:03+05:30");
  }
  {
    const Zone zone("NST3:30");
    CHECK(format_local(when) == "2026-11-20 21:32:03-03:30");
  }
}

TEST_CASE("sleep_for waits, and ends at once when it is asked to") {
  const auto began = std::chrono::steady_clock::now();
  sleep_for(20ms, {});
  CHECK(std::chrono::steady_clock::now() - began >= 20ms);

  std::stop_source stop;
  std::jthread other([&] {
    std::this_thread::sleep_for(20ms);
    stop.request_stop();
  });
  CHECK_THROWS_AS(sleep_for(1h, stop.get_token()), Interrupted);
  CHECK_THROWS_AS(sleep_for(1h, stop.get_token()), Interrupted);
  CHECK_THROWS_AS(check_stop(stop.get_token()), Interrupted);
  CHECK_NOTHROW(check_stop({}));
  CHECK(std::chrono::steady_clock::now() - began < 1h);
}

TEST_CASE("the system's clock goes forward") {
  const Timestamp before = system_clock().now();
  system_clock().sleep(2ms, {});
  CHECK(system_clock().now() > before);
}
