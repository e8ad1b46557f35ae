#include "storage/http/paged_listing.hpp"

#include "support/says.hpp"

#include <pgcairn/common/error.hpp>

#include <map>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using namespace pgcairn::test;

namespace {

using Keys = std::vector<std::string>;

ListedPage page(const Keys& keys, std::string next, const Keys& folders = {}) {
  ListedPage made{{}, folders, std::move(next)};
  for (const std::string& key : keys) made.objects.push_back({key, 1, {}});
  return made;
}

FetchPage from(std::map<std::string, ListedPage> pages) {
  return [pages](const std::string& token) { return pages.at(token); };
}

Keys visited(const FetchPage& fetch) {
  Keys keys;
  visit_pages(fetch, "p/", "here", [&](const Object& object) { keys.push_back(object.key); });
  return keys;
}

}  // namespace

TEST_CASE("listing: all pages, empty ones too, without what is no key") {
  CHECK(visited(from({{"", page({"p/a", "p/a b"}, "1")},
                      {"1", page({}, "2")},
                      {"2", page({"p/b", "p/c/"}, "")}})) == Keys{"a", "b"});
}

TEST_CASE("listing: complete and in order, or an error") {
  const auto told = [](const FetchPage& fetch) { return error_of([&] { visited(fetch); }); };
  CHECK_THAT(told(from({{"", page({"p/b", "p/a"}, "")}})), Says({"here", "out of order", "p/a"}));
  CHECK_THAT(told(from({{"", page({"p/a"}, "1")}, {"1", page({"p/a"}, "")}})),
             Says({"out of order"}));
  CHECK_THAT(told(from({{"", page({"q/a"}, "")}})), Says({"out of order"}));
  CHECK_THAT(told(from({{"", page({"p/a"}, "1")}, {"1", page({}, "1")}})),
             Says({"here", "repeats a page"}));
}

TEST_CASE("listing: folders") {
  const FetchPage fetch = from({{"", page({"p/x"}, "1", {"p/a/"})}, {"1", page({}, "", {"p/b/"})}});
  CHECK(folders_of_pages(fetch, "p/", "here") == Keys{"a", "b"});
}

TEST_CASE("listing: what cannot be removed does not keep the rest") {
  const Keys keys{"a", "b", "c", "d", "e"};
  std::vector<Keys> batches;
  const auto remove = [&](std::span<const std::string> some) {
    batches.emplace_back(some.begin(), some.end());
    if (batches.size() < 3) throw Error("batch of " + some.front());
  };
  CHECK(error_of([&] { remove_in_batches(keys, 2, remove); }) == "batch of a");
  CHECK(batches == std::vector<Keys>{{"a", "b"}, {"c", "d"}, {"e"}});
}
