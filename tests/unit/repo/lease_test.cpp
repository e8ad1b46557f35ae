#include "support/fake_clock.hpp"
#include "support/repository.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/lease.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>

#include <catch2/catch.hpp>
#include <sys/wait.h>
#include <unistd.h>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;
using namespace std::chrono_literals;

namespace {

std::string this_host() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

/// Puts a document of another run.
void write_other(MemoryRepository& memory, std::uint32_t number, Timestamp time,
                 const ProcessIdentity& process = {"another", 1, 1},
                 const std::string& state = "held") {
  const std::string json =
      format(R"({{"holder":"{}","state":"{}","operation":"expire","host":"elsewhere","pid":{},)"
             R"("pid-space":"{}","pid-started":{},"since":"{}","time":"{}","seconds":120}})",
             std::string(32, 'e'), state, process.pid, process.space, process.started,
             format_utc(time), format_utc(time));
  put_document(*memory.store, memory.repository.seal_context(), lease_key("main", number), json,
               storage::IfExists::fail);
}

}  // namespace

TEST_CASE("a lease has one holder, and is given back") {
  MemoryRepository memory;
  Repository other = memory.client();
  CHECK_FALSE(read_lease(memory.repository, "main"));
  {
    Lease lease(memory.repository, "main", "backup");
    const auto state = read_lease(other, "main");
    REQUIRE(state);
    CHECK(state->held);
    CHECK(state->number == 0);
    CHECK(state->operation == "backup");
    CHECK(state->host == this_host());
    CHECK(state->process == this_process());
    CHECK(state->valid_for == 120s);
    CHECK_THAT(error_of<LockedError>([&] { Lease second(other, "main", "expire"); }),
               Says({"main", "client", "backup", this_host(), std::to_string(::getpid())}));
    CHECK_NOTHROW(Lease(other, "other", "expire"));
    CHECK_NOTHROW(lease.check());
    CHECK_NOTHROW(lease.check());
    CHECK(keys(*memory.store, "lease/main/") == std::vector<std::string>{lease_key("main", 2)});
  }
  const auto state = read_lease(memory.repository, "main");
  REQUIRE(state);
  CHECK_FALSE(state->held);
  CHECK(state->number == 3);
  CHECK(keys(*memory.store, "lease/main/") == std::vector<std::string>{lease_key("main", 3)});
  Lease second(other, "main", "expire");
  CHECK(read_lease(memory.repository, "main")->number == 4);
}

TEST_CASE("a lease is kept alive while it is held") {
  MemoryRepository memory;
  // Its heart beats after a quarter of that, and may be that late on a busy machine.
  Lease lease(memory.repository, "main", "backup", {}, 6s);
  const Timestamp end = now() + 60s;
  while (read_lease(memory.repository, "main")->number < 3 && now() < end)
    sleep_for(milliseconds(10), {});
  CHECK(read_lease(memory.repository, "main")->number >= 3);
  CHECK_NOTHROW(lease.check());
}

TEST_CASE("a lease tells how far its holder is") {
  MemoryRepository memory;
  std::atomic<std::uint64_t> done = 0;
  {
    Lease lease(memory.repository, "main", "backup", {}, 6s);
    CHECK_FALSE(read_lease(memory.repository, "main")->progress);
    lease.tell_progress([&] { return LeaseProgress{done, 1000}; });
    done = 400;
    lease.check();
    CHECK(read_lease(memory.repository, "main")->progress == LeaseProgress{400, 1000});
    // The heart tells it as well.
    done = 500;
    const Timestamp end = now() + 60s;
    while (read_lease(memory.repository, "main")->progress->done_bytes < 500 && now() < end)
      sleep_for(milliseconds(10), {});
    CHECK(read_lease(memory.repository, "main")->progress == LeaseProgress{500, 1000});
  }
  CHECK_FALSE(read_lease(memory.repository, "main")->progress);
}

TEST_CASE("a lease is free when its holder let it run out, gave it back, or is gone") {
  SECTION("held elsewhere") {
    MemoryRepository memory;
    write_other(memory, 5, now() - 119s + 30s);
    CHECK_THAT(error_of<LockedError>([&] { Lease lease(memory.repository, "main", "backup"); }),
               Says({"expire by process 1 on elsewhere"}));
    CHECK(read_lease(memory.repository, "main")->number == 5);
  }
  SECTION("given back") {
    MemoryRepository memory;
    write_other(memory, 5, now(), {"another", 1, 1}, "released");
    CHECK_NOTHROW(Lease(memory.repository, "main", "backup"));
  }
  SECTION("a process that has ended") {
    MemoryRepository memory;
    ProcessIdentity ended = this_process();
    ++ended.started;
    write_other(memory, 5, now(), ended);
    CHECK_NOTHROW(Lease(memory.repository, "main", "backup"));
  }
  SECTION("a process that lives") {
    MemoryRepository memory;
    write_other(memory, 5, now(), this_process());
    CHECK_THROWS_AS(Lease(memory.repository, "main", "backup"), LockedError);
  }
  SECTION("a process of which nothing is known") {
    MemoryRepository memory;
    ProcessIdentity ended = this_process();
    ++ended.started;
    ended.space += "0";
    write_other(memory, 5, now(), ended);
    CHECK_THROWS_AS(Lease(memory.repository, "main", "backup"), LockedError);
  }
}

TEST_CASE("no clock alone decides that a holder is dead: its lease is watched") {
  MemoryRepository memory;
  FakeClock clock;
  // Run out or our clock is ahead; ours is behind; nonsense.
  const auto distance = GENERATE(as<std::chrono::seconds>(), -121s, 121s, 9000h);
  const Timestamp written = clock.now() + distance;
  write_other(memory, 5, written);
  const auto take = [&] { Lease lease(memory.repository, "main", "backup", {}, 120s, clock); };
  SECTION("and it is dead") {
    take();
    CHECK(clock.slept_in_all() >= 60s);  // in which a holder writes twice
    CHECK(clock.slept_in_all() < 70s);
    CHECK(read_lease(memory.repository, "main")->number == 7);
  }
  SECTION("and it lives") {
    clock.before_sleep = [&](milliseconds) {
      if (clock.slept_in_all() > 25s && read_lease(memory.repository, "main")->number == 5)
        write_other(memory, 6, written + 30s);
    };
    CHECK_THAT(error_of<LockedError>(take), Says({"expire by process 1 on elsewhere", "clocks"}));
    CHECK(read_lease(memory.repository, "main")->number == 6);
  }
  SECTION("and it ends in time") {
    clock.before_sleep = [&](milliseconds) {
      if (clock.slept_in_all() == 0s)
        write_other(memory, 6, written, {"another", 1, 1}, "released");
    };
    take();
    CHECK(clock.slept_in_all() < 10s);
  }
  SECTION("and another run takes it over meanwhile") {
    clock.before_sleep = [&](milliseconds) {
      if (clock.slept_in_all() > 50s && read_lease(memory.repository, "main")->number == 5)
        write_other(memory, 9, clock.now());
    };
    CHECK_THROWS_AS(take(), LockedError);
  }
  SECTION("and the operator has no patience") {
    std::stop_source stop;
    clock.before_sleep = [&](milliseconds) { stop.request_stop(); };
    CHECK_THROWS_AS(Lease(memory.repository, "main", "backup", stop.get_token(), 120s, clock),
                    Interrupted);
    CHECK(read_lease(memory.repository, "main")->number == 5);
  }
}

TEST_CASE("a lease that was lost is noticed before a marker is written") {
  MemoryRepository memory;
  Repository other = memory.client();
  SECTION("the number it wants is taken") {
    Lease lease(memory.repository, "main", "backup");
    write_other(memory, 1, now());
    CHECK_THAT(error_of<LockedError>([&] { lease.check(); }), Says({"main", "lost"}));
    CHECK_THROWS_AS(lease.check(), LockedError);  // for ever
  }
  SECTION("the number it wants is free again, since the other run removed its older documents") {
    Lease lease(memory.repository, "main", "backup");
    write_other(memory, 3, now());
    const std::string mine = lease_key("main", 0);
    memory.store->remove({&mine, 1});
    CHECK_THROWS_AS(lease.check(), LockedError);
  }
  SECTION("and it is not given back then") {
    {
      Lease lease(memory.repository, "main", "backup");
      write_other(memory, 1, now());
      CHECK_THROWS_AS(lease.check(), LockedError);
    }
    const auto state = read_lease(other, "main");
    CHECK(state->number == 1);
    CHECK(state->held);
  }
}

TEST_CASE("of two runs that want a free lease at the same time one gets it") {
  MemoryRepository memory;
  bool once = false;
  SECTION("the other one was faster") {
    Repository late = memory.client({[&](std::string_view operation, std::string_view key) {
                                       if (operation != "put" || once) return;
                                       once = true;
                                       CHECK(key == lease_key("main", 0));
                                       write_other(memory, 0, now());
                                     },
                                     {}});
    CHECK_THROWS_AS(Lease(late, "main", "backup"), LockedError);
  }
  SECTION("the other one is two documents ahead, and has removed the first") {
    Repository late = memory.client({[&](std::string_view operation, std::string_view) {
                                       if (operation != "put" || once) return;
                                       once = true;
                                       write_other(memory, 1, now());
                                     },
                                     {}});
    CHECK_THROWS_AS(Lease(late, "main", "backup"), LockedError);
  }
  CHECK(once);
  CHECK(read_lease(memory.repository, "main")->holder == std::string(32, 'e'));
}

TEST_CASE("a lease is not lost by an answer that is lost") {
  MemoryRepository memory;
  bool lose = false;
  Repository repository = memory.client({{}, [&](std::string_view operation, std::string_view) {
                                           if (operation == "put" && std::exchange(lose, false))
                                             throw TransientError("connection reset");
                                         }});
  {
    Lease lease(repository, "main", "backup");
    lose = true;
    CHECK_THROWS_AS(lease.check(), TransientError);
    CHECK_NOTHROW(lease.check());
    CHECK(read_lease(repository, "main")->number == 2);
    lose = true;
    CHECK_THROWS_AS(lease.check(), TransientError);
  }
  CHECK_FALSE(read_lease(repository, "main")->held);
}

TEST_CASE("a lease is not lost, nor written for ever, when each document is sent twice") {
  MemoryRepository memory;
  Repository repository = memory.client({{}, {}, true});
  {
    Lease lease(repository, "main", "backup");
    CHECK_NOTHROW(lease.check());
    CHECK(read_lease(memory.repository, "main")->number == 1);
    CHECK_THROWS_AS(Lease(memory.repository, "main", "backup"), LockedError);
  }
  CHECK_FALSE(read_lease(memory.repository, "main")->held);
}

TEST_CASE("a lease that could not be taken for sure is not left behind") {
  MemoryRepository memory;
  int lists = 0;
  bool after_put = false;
  Repository repository = memory.client(
      {[&](std::string_view operation, std::string_view) {
         if (operation == "list" && after_put && ++lists == 1) throw TransientError("timeout");
       },
       [&](std::string_view operation, std::string_view) { after_put |= operation == "put"; }});
  CHECK_THROWS_AS(Lease(repository, "main", "backup"), TransientError);
  CHECK_FALSE(read_lease(memory.repository, "main")->held);
  CHECK_NOTHROW(Lease(memory.repository, "main", "expire"));
}

TEST_CASE("a lease works where nothing may be removed") {
  MemoryRepository memory;
  Repository repository = memory.client({[](std::string_view operation, std::string_view) {
                                           if (operation == "remove") throw Error("access denied");
                                         },
                                         {}});
  {
    Lease lease(repository, "main", "backup");
    lease.check();
    lease.check();
  }
  CHECK(keys(*memory.store, "lease/main/").size() == 4);
  CHECK_FALSE(read_lease(repository, "main")->held);
  CHECK_NOTHROW(Lease(repository, "main", "expire"));
}

TEST_CASE("a lease that cannot be read is not free") {
  MemoryRepository memory;
  const auto gone = [](std::string_view operation, std::string_view key) {
    if (operation == "get" && key.starts_with("lease/")) throw TransientError("no route to host");
  };
  {
    Lease lease(memory.repository, "main", "backup");
    Repository blind = memory.client({gone, {}});
    CHECK_THROWS_AS(Lease(blind, "main", "expire"), TransientError);
    Repository deaf = memory.client({[](std::string_view operation, std::string_view) {
                                       if (operation == "list") throw TransientError("timeout");
                                     },
                                     {}});
    CHECK_THROWS_AS(Lease(deaf, "main", "expire"), TransientError);
  }
  replace(*memory.store, lease_key("main", 1), "{}\n{}\n");
  CHECK_THROWS_AS(Lease(memory.repository, "main", "expire"), DamagedError);
}

TEST_CASE("a holder that cannot give its lease back ends all the same") {
  MemoryRepository memory;
  FakeClock clock;
  const bool interrupted = GENERATE(false, true);  // as a retry is that waits when SIGINT comes
  bool down = false;
  Repository repository = memory.client({[&](std::string_view, std::string_view) {
                                           if (down && interrupted) throw Interrupted();
                                           if (down) throw TransientError("no route to host");
                                         },
                                         {}});
  {
    Lease lease(repository, "main", "backup", {}, 120s, clock);
    down = true;
  }
  CHECK(read_lease(memory.repository, "main")->held);
  CHECK(clock.slept_in_all() >= 5s);
  CHECK(clock.slept_in_all() <= 20s);
}

TEST_CASE("a run that was asked to stop gives its lease back although its driver tries once only") {
  MemoryRepository memory;
  FakeClock clock;
  const bool interrupted = GENERATE(false, true);
  int failures = 0;
  Repository repository = memory.client({[&](std::string_view, std::string_view) {
                                           if (failures <= 0) return;
                                           --failures;
                                           if (interrupted) throw Interrupted();
                                           throw TransientError("slow down");
                                         },
                                         {}});
  {
    Lease lease(repository, "main", "backup", {}, 120s, clock);
    failures = 7;
  }
  CHECK(failures == 0);
  CHECK_FALSE(read_lease(memory.repository, "main")->held);
}

namespace {

/// A repository whose fence sees a time of its own.
struct Suspended {
  Suspended() { repository.open(); }
  MemoryRepository memory;
  std::atomic<std::int64_t> seconds = 0;
  std::shared_ptr<storage::Fence> fence =
      std::make_shared<storage::Fence>([this] { return std::chrono::seconds(seconds.load()); });
  Repository repository{
      "fenced", storage::with_fence(shared(*memory.store), fence, needs_lease), {}, fence};
  std::uint32_t number() { return read_lease(memory.repository, "main")->number; }
  void remove() {
    const std::string key = pack_key("main", kLabel, 0);
    repository.driver().remove({&key, 1});
  }
};

}  // namespace

TEST_CASE("what only a holder may do is sent when its lease was confirmed shortly before") {
  Suspended scene;
  scene.remove();  // nobody holds a lease: it is the caller's business
  Lease lease(scene.repository, "main", "expire");
  scene.seconds = 29;
  scene.remove();
  CHECK(scene.number() == 0);
  scene.seconds = 30;
  scene.remove();  // confirmed first
  CHECK(scene.number() == 1);
  scene.repository.write_marker("main", sample_backup());
  CHECK(scene.number() == 1);
  scene.seconds = 60;
  scene.repository.write_marker("main", sample_backup("20261122-010203F"));
  CHECK(scene.number() == 2);
  // What needs no lease asks for none.
  scene.seconds = 90;
  scene.memory.repository.add_cluster("main", {1, 15});
  scene.repository.driver().put(pack_key("main", kLabel, 0), as_bytes("x"),
                                storage::IfExists::fail);
  CHECK(scene.number() == 2);
}

TEST_CASE("what only a holder may do is not sent when the lease was lost in a sleep") {
  Suspended scene;
  scene.repository.driver().put(pack_key("main", kLabel, 0), as_bytes("x"),
                                storage::IfExists::fail);
  Lease lease(scene.repository, "main", "expire");
  write_other(scene.memory, 1, now());
  scene.seconds = 3600;
  CHECK_THROWS_AS(scene.remove(), LockedError);
  CHECK_THROWS_AS(scene.repository.write_marker("main", sample_backup()), LockedError);
  CHECK(scene.memory.store->stat(pack_key("main", kLabel, 0)));
  CHECK(scene.memory.repository.backup_labels("main").empty());
}

TEST_CASE("a lease whose numbers cannot be is damaged, and not free") {
  for (const std::string seconds : {"0", "86401", "18446744073709551615", "9223372036854775807"}) {
    MemoryRepository memory;
    const std::string json =
        format(R"({{"holder":"{}","state":"held","operation":"expire","host":"x","pid":1,)"
               R"("since":"{}","time":"{}","seconds":{}}})",
               std::string(32, 'e'), format_utc(now()), format_utc(now()), seconds);
    put_document(*memory.store, memory.repository.seal_context(), lease_key("main", 0), json,
                 storage::IfExists::fail);
    INFO(seconds);
    CHECK_THROWS_AS(Lease(memory.repository, "main", "backup"), DamagedError);
  }
}

TEST_CASE("a document that is renewed between listing and reading is found again") {
  MemoryRepository memory;
  write_other(memory, 5, now());
  int renewals = 0;
  Repository repository = memory.client({[&](std::string_view operation, std::string_view key) {
                                           if (operation != "get" || !key.starts_with("lease/"))
                                             return;
                                           if (++renewals > 3) return;
                                           const std::string old(key);
                                           memory.store->remove({&old, 1});
                                           write_other(memory, std::uint32_t(5 + renewals), now());
                                         },
                                         {}});
  const auto state = read_lease(repository, "main");
  REQUIRE(state);
  CHECK(state->number == 8);
}
