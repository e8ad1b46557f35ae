// What a second author's idea of Google Cloud Storage answers has the shape that the driver takes.
// Only run by name, with a store in the environment (support/remote_store.hpp): that emulator knows
// no preconditions, no batches, no ranges past the end and no absent buckets, so the whole contract
// is for our own fake.
#include "support/remote_store.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;

TEST_CASE("emulator: answers of another author", "[.emulator]") {
  const auto driver = test::make_remote_store("backups/pg/");
  const std::string large(3 * kMiB + 1, 'x');
  for (const std::string key : {"a/b/1", "a/b/2", "a/c-d/3", "a/e_f", "g"})
    CHECK(driver->put(key, as_bytes("content of " + key), IfExists::fail));
  CHECK(driver->put("a/large", as_bytes(large), IfExists::fail));
  CHECK(driver->put("a/empty", {}, IfExists::fail));

  Buffer out;
  REQUIRE(driver->get("a/c-d/3", {}, out));
  CHECK(as_text(out) == "content of a/c-d/3");
  REQUIRE(driver->get("a/c-d/3", {3, 4}, out));
  CHECK(as_text(out) == "tent");
  REQUIRE(driver->get("a/large", {}, out));
  CHECK(as_text(out) == large);
  REQUIRE(driver->get("a/empty", {}, out));
  CHECK(out.empty());
  CHECK_FALSE(driver->get("a/none", {}, out));

  const auto found = driver->stat("a/large");
  REQUIRE(found);
  CHECK(found->size_bytes == large.size());
  CHECK(found->modified > now() - std::chrono::hours(1));
  CHECK_FALSE(driver->stat("a/none"));

  std::vector<std::string> keys;
  driver->list("a/", [&](const Object& object) {
    keys.push_back(format("{} {}", object.key, object.size_bytes));
  });
  CHECK(keys == std::vector<std::string>{"a/b/1 16", "a/b/2 16", "a/c-d/3 18", "a/e_f 16",
                                         "a/empty 0", format("a/large {}", large.size())});
  CHECK(driver->folders("a/") == std::vector<std::string>{"b", "c-d"});
  CHECK(driver->folders("") == std::vector<std::string>{"a"});
}
