#include <pgcairn/common/error.hpp>
#include <pgcairn/common/parallel.hpp>
#include <pgcairn/common/time.hpp>

#include <atomic>
#include <mutex>
#include <set>

#include <catch2/catch.hpp>

using namespace pgcairn;

TEST_CASE("each index is worked on once, by no more threads than told") {
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, std::size_t{5}, std::size_t{60}}) {
    std::mutex mutex;
    std::multiset<std::size_t> seen;
    std::atomic<int> at_work = 0;
    std::atomic<int> most = 0;
    for_each_index(count, 4, {}, [&](std::size_t index) {
      const int now_at_work = ++at_work;
      int known = most;
      while (known < now_at_work && !most.compare_exchange_weak(known, now_at_work)) {
      }
      {
        std::lock_guard lock(mutex);
        seen.insert(index);
      }
      sleep_for(milliseconds(2), {});  // so that threads too many would meet
      --at_work;
    });
    CHECK(seen.size() == count);
    CHECK(std::set<std::size_t>(seen.begin(), seen.end()).size() == count);
    CHECK(most <= 4);
  }
}

TEST_CASE("threads work at the same time") {
  // Each waits until the other is there, too.
  std::atomic<int> there = 0;
  for_each_index(2, 2, {}, [&](std::size_t) {
    ++there;
    while (there < 2) sleep_for(milliseconds(1), {});
  });
  CHECK(there == 2);
}

TEST_CASE("the first error ends it, and so does a stop") {
  std::atomic<int> worked = 0;
  CHECK_THROWS_AS(for_each_index(1000, 3, {},
                                 [&](std::size_t index) {
                                   ++worked;
                                   if (index == 7) throw Error("no");
                                 }),
                  Error);
  CHECK(worked >= 8);
  std::stop_source stop;
  CHECK_THROWS_AS(
      for_each_index(1000, 3, stop.get_token(), [&](std::size_t) { stop.request_stop(); }),
      Interrupted);
}
