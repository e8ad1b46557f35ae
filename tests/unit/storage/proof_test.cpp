#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/storage/drivers.hpp>
#include <pgcairn/storage/proof.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::storage;
using test::error_of;
using test::Says;

namespace {

enum class Manner { fit, overwrites, says_it_refused, reads_late, ignores_ranges, lists_late };

/// A store of a certain manner.
class Store final : public Driver {
 public:
  explicit Store(Manner manner) : manner_(manner) {}

  std::string describe() const override { return "the store"; }
  Features features() const override { return inner_->features(); }
  bool put(std::string_view key, Bytes body, IfExists if_exists) override {
    const bool overwrites = manner_ == Manner::overwrites || manner_ == Manner::says_it_refused;
    if (!overwrites) return inner_->put(key, body, if_exists);
    const bool was_there = inner_->stat(key).has_value();
    inner_->remove(std::vector{std::string(key)});
    inner_->put(key, body, if_exists);
    return !was_there || manner_ == Manner::overwrites;
  }
  bool get(std::string_view key, Range range, Buffer& out) override {
    if (manner_ == Manner::reads_late) return false;
    return inner_->get(key, manner_ == Manner::ignores_ranges ? Range{} : range, out);
  }
  std::optional<Object> stat(std::string_view key) override { return inner_->stat(key); }
  void list(std::string_view prefix, const std::function<void(const Object&)>& visit) override {
    if (manner_ != Manner::lists_late) inner_->list(prefix, visit);
  }
  std::vector<std::string> folders(std::string_view prefix) override {
    return inner_->folders(prefix);
  }
  void remove(std::span<const std::string> keys) override { inner_->remove(keys); }

 private:
  Manner manner_;
  std::unique_ptr<Driver> inner_ = make_memory();
};

}  // namespace

TEST_CASE("a store that is fit passes the proof as often as it is tried") {
  Store store(Manner::fit);
  prove_store(store, "proof");
  Buffer first;
  REQUIRE(store.get("proof", {}, first));
  prove_store(store, "proof");
  Buffer second;
  REQUIRE(store.get("proof", {}, second));
  CHECK(as_text(first) == as_text(second));
}

TEST_CASE("what a store does instead of what is needed is named, also when it was tried before") {
  const auto [manner, words] = GENERATE(table<Manner, std::string>({
      {Manner::overwrites, "overwrites an object that exists"},
      {Manner::says_it_refused, "overwrites an object that exists"},
      {Manner::reads_late, "does not give back at once"},
      {Manner::ignores_ranges, "does not give a part"},
      {Manner::lists_late, "does not list an object"},
  }));
  Store store(manner);
  for (int i = 0; i < 2; ++i)
    CHECK_THAT(error_of<Error>([&] { prove_store(store, "proof"); }), (Says{"the store", words}));
}
