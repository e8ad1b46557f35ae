#include <pgcairn/common/error.hpp>
#include <pgcairn/common/json.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/proof.hpp>

namespace pgcairn::storage {

namespace {

[[noreturn]] void refuse(const Driver& driver, std::string_view what, std::string hint) {
  throw Error(format("{} {}", driver.describe(), what), std::move(hint));
}

}  // namespace

void prove_store(Driver& driver, std::string_view key) {
  const std::string ours = random_id();
  const bool was_there = !driver.put(key, as_bytes(ours), IfExists::keep);
  Buffer before;
  if (!driver.get(key, {}, before) || (!was_there && as_text(before) != ours))
    refuse(driver, "does not give back at once what was stored in it",
           "a cache or a replica that lags stands before the store: reach the store itself");

  const std::string other = random_id();
  const bool replaced = driver.put(key, as_bytes(other), IfExists::keep);
  Buffer after;
  if (!driver.get(key, {}, after) || replaced || as_text(after) != as_text(before))
    refuse(driver, "overwrites an object that exists although it was asked not to",
           "it ignores If-None-Match, so that two commands would destroy each other's backups and "
           "WAL: use a store, or a newer version of it, that honours conditional writes");

  constexpr Range middle{8, 8};
  Buffer part;
  driver.get(key, middle, part);
  if (as_text(part) != as_text(before).substr(middle.offset_bytes, middle.length_bytes))
    refuse(driver, "does not give a part of an object when asked for it",
           "something before the store drops the header Range: reach the store itself");

  bool listed = false;
  driver.list(key, [&](const Object& object) { listed |= object.key == key; });
  if (!listed)
    refuse(driver, "does not list an object that it has",
           "its listings lag, and backups would be missed: use a store whose listings are "
           "consistent");
}

}  // namespace pgcairn::storage
