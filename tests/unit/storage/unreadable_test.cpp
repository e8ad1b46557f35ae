#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/storage/drivers.hpp>
#include <pgcairn/storage/unreadable_error.hpp>

#include <cerrno>
#include <functional>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using test::error_of;
using test::Says;

namespace {

/// A store with three objects, in which `fault` decides what a read of a key throws.
struct Store {
  explicit Store(std::function<void(std::string_view key)> fault) {
    auto inner = make_memory();
    for (const auto key : {"always", "one", "other"})
      inner->put(key, as_bytes("content"), IfExists::fail);
    driver = with_unreadable(with_faults(std::move(inner),
                                         [this, fault = std::move(fault)](
                                             std::string_view operation, std::string_view key) {
                                           if (operation != "get" && operation != "stat") return;
                                           ++reads;
                                           fault(key);
                                         }),
                             "always");
  }
  std::string get(std::string_view key) {
    Buffer out;
    return driver->get(key, {3, 4}, out) ? std::string(as_text(out)) : "absent";
  }
  int reads = 0;
  std::unique_ptr<Driver> driver;
};

}  // namespace

TEST_CASE("an object that a store does not give while it gives another is damage of that one") {
  const bool by_system = GENERATE(true, false);
  Store store([&](std::string_view key) {
    if (key != "one") return;
    if (by_system) throw SystemError("cannot read \"/r/one\"", EIO);
    throw Error("reading \"one\" failed: 403 InvalidObjectState", "bring it back");
  });
  const auto said =
      Says{"damaged \"one\" at offset 3", "it cannot be read, while other objects can",
           by_system ? "Input/output error" : "InvalidObjectState"};
  CHECK_THAT(error_of<UnreadableError>([&] { store.get("one"); }), said);
  CHECK(store.reads == 3);
  CHECK_THROWS_AS(store.driver->stat("one"), DamagedError);
  CHECK(store.get("other") == "tent");
  CHECK(store.get("nothing") == "absent");
}

TEST_CASE("a store that does not answer, or may later, is no damage") {
  struct Row {
    const char* what;
    std::function<void()> fault;
  };
  const std::vector<Row> rows = {
      {"all fail alike", [] { throw SystemError("cannot read", EIO); }},
      {"all are refused", [] { throw Error("403 AccessDenied"); }},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    Store store([&](std::string_view) { row.fault(); });
    CHECK_THAT(error_of([&] { store.get("one"); }), !Says({"damaged"}));
    CHECK(store.reads == 2);
  }
  // One object alone, but what fails is not of an object.
  const std::vector<Row> of_the_store = {
      {"a store that is busy", [] { throw TransientError("503 SlowDown"); }},
      {"a file system that is gone", [] { throw SystemError("cannot open", ENOTCONN); }},
      {"this machine", [] { throw SystemError("cannot open", EMFILE); }},
      {"a key file of ours", [] { throw UsageError("no key file"); }},
  };
  for (const Row& row : of_the_store) {
    INFO(row.what);
    Store store([&](std::string_view key) {
      if (key == "one") row.fault();
    });
    CHECK_THAT(error_of([&] { store.get("one"); }), !Says({"damaged"}));
    CHECK(store.reads == 1);
  }
}

TEST_CASE("an object that is given when it is asked for once more is whole") {
  int failures = 0;
  Store store([&](std::string_view key) {
    if (key == "one" && failures++ == 0) throw SystemError("cannot read", EIO);
  });
  CHECK(store.get("one") == "tent");
  CHECK_THROWS_AS(
      Store([](std::string_view) { throw SystemError("cannot read", EIO); }).get("always"),
      SystemError);
}

TEST_CASE("a second failure that is not of the object is told as what it is") {
  int failures = 0;
  Store store([&](std::string_view key) {
    if (key != "one") return;
    if (failures++ == 0) throw SystemError("cannot read", EIO);
    throw TransientError("503 SlowDown");
  });
  CHECK_THROWS_AS(store.get("one"), TransientError);
  CHECK(store.reads == 3);
}

TEST_CASE("the object that is always there is never damaged alone") {
  int reads = 0;
  // Read again in between, it is there.
  Store store([&](std::string_view) {
    if (++reads != 2) throw SystemError("cannot read", EIO);
  });
  CHECK_THAT(error_of([&] { store.get("always"); }), !Says({"damaged"}));
}
