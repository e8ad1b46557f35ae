#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/queue.hpp>

#include <atomic>
#include <chrono>
#include <memory>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace std::chrono_literals;
using test::error_of;

TEST_CASE("queue: every value arrives once, in the order of its sender") {
  constexpr int senders = 3;
  constexpr int each = 2000;
  BoundedQueue<std::pair<int, int>> queue(4);
  std::stop_source outside;
  Workers workers(outside.get_token());
  std::atomic<int> sending = senders;
  for (int me = 0; me < senders; ++me) {
    workers.start([&, me](std::stop_token stop) {
      for (int i = 0; i < each; ++i) queue.push({me, i}, stop);
      if (--sending == 0) queue.close();
    });
  }
  std::atomic<int> received = 0;
  std::atomic<bool> in_order = true;
  for (int me = 0; me < 2; ++me) {
    workers.start([&](std::stop_token stop) {
      std::array<int, senders> last{-1, -1, -1};
      while (const auto value = queue.pop(stop)) {
        ++received;
        auto& before = last[static_cast<std::size_t>(value->first)];
        if (value->second <= before) in_order = false;
        before = value->second;
      }
    });
  }
  workers.join();
  CHECK(received == senders * each);
  CHECK(in_order);
}

TEST_CASE("queue: holds no more than its capacity") {
  BoundedQueue<std::unique_ptr<int>> queue(2);
  std::stop_source stop;
  queue.push(std::make_unique<int>(1), stop.get_token());
  queue.push(std::make_unique<int>(2), stop.get_token());
  std::atomic<bool> third_in = false;
  std::jthread sender([&] {
    queue.push(std::make_unique<int>(3), stop.get_token());
    third_in = true;
  });
  std::this_thread::sleep_for(20ms);
  CHECK_FALSE(third_in);
  CHECK(**queue.pop(stop.get_token()) == 1);
  sender.join();
  CHECK(third_in);
}

TEST_CASE("queue: what was pushed before close is still handed out") {
  BoundedQueue<int> queue(5);
  std::stop_source stop;
  queue.push(1, stop.get_token());
  queue.close();
  CHECK(queue.pop(stop.get_token()) == 1);
  CHECK_FALSE(queue.pop(stop.get_token()));
  CHECK_FALSE(queue.pop(stop.get_token()));
}

TEST_CASE("queue: a stop ends every wait") {
  BoundedQueue<int> queue(1);
  std::stop_source stop;
  std::atomic<int> interrupted = 0;
  {
    std::jthread receiver([&] {
      try {
        queue.pop(stop.get_token());
      } catch (const Interrupted&) {
        ++interrupted;
      }
    });
    std::this_thread::sleep_for(10ms);
    stop.request_stop();
  }
  CHECK(interrupted == 1);
  std::stop_source other;
  queue.push(1, other.get_token());
  other.request_stop();
  CHECK_THROWS_AS(queue.push(2, other.get_token()), Interrupted);
}

TEST_CASE("workers: the first error wins and stops the rest") {
  std::stop_source outside;
  Workers workers(outside.get_token());
  BoundedQueue<int> never_filled(1);
  for (int i = 0; i < 3; ++i) {
    workers.start([&](std::stop_token stop) { never_filled.pop(stop); });
  }
  workers.start([](std::stop_token stop) {
    while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
    throw Error("second");
  });
  workers.start([](std::stop_token) { throw Error("first"); });
  CHECK(error_of([&] { workers.join(); }) == "first");
  CHECK(workers.stop_token().stop_requested());
  CHECK_FALSE(outside.stop_requested());
}

TEST_CASE("workers: an error of the calling thread counts like any other") {
  std::stop_source outside;
  Workers workers(outside.get_token());
  workers.start([](std::stop_token stop) {
    while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
  });
  workers.fail(std::make_exception_ptr(Error("mine")));
  CHECK(error_of([&] { workers.join(); }) == "mine");
}

TEST_CASE("workers: a stop from outside is Interrupted, not an error") {
  std::stop_source outside;
  Workers workers(outside.get_token());
  workers.start([](std::stop_token stop) {
    while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
  });
  outside.request_stop();
  CHECK_THROWS_AS(workers.join(), Interrupted);
  Workers late(outside.get_token());
  CHECK(late.stop_token().stop_requested());
  CHECK_THROWS_AS(late.join(), Interrupted);
}

TEST_CASE("workers: all well, and nobody asked for the result") {
  std::atomic<int> ran = 0;
  {
    std::stop_source outside;
    Workers workers(outside.get_token());
    for (int i = 0; i < 5; ++i) workers.start([&](std::stop_token) { ++ran; });
    workers.join();
    CHECK(ran == 5);
    workers.start([](std::stop_token) { throw Error("dropped"); });
    workers.start([](std::stop_token stop) {
      while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
    });
  }
  SUCCEED("the destructor stopped and joined");
}
