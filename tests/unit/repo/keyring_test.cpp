#include "support/repository.hpp"
#include "support/says.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/key_cache.hpp>
#include <pgcairn/repo/keyring.hpp>
#include <pgcairn/repo/layout.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;

namespace {

const Cluster kCluster{7412345678901234567, 15};

KeySecret key(char fill) {
  return {KeyKind::file, "key-file", crypto::SecretBytes(as_bytes(std::string(32, fill)))};
}

KeySecret passphrase(std::string_view text) {
  return {KeyKind::passphrase, "key-passphrase", crypto::SecretBytes(as_bytes(text))};
}

KeySettings with_key(char fill, bool required = true) {
  return {required, [fill] { return key(fill); }, {}};
}

bool opens(storage::Driver& driver, const KeySecret& secret) {
  return open_slots(read_slots(driver, kId), kId, secret).has_value();
}

}  // namespace

TEST_CASE("a slot of each kind opens to the data key, and to its own secret only") {
  const auto driver = storage::make_memory();
  const DataKey data_key = new_data_key();
  CHECK(data_key->size() == 32);
  CHECK(add_slot(*driver, kId, *data_key, passphrase("correct horse"), "first") == 0);
  CHECK(add_slot(*driver, kId, *data_key, key('a'), "escrow") == 1);
  const auto slots = read_slots(*driver, kId);
  CHECK(list_slots(slots) == R"(0 (passphrase "first"), 1 (file "escrow"))");
  const auto first = open_slots(slots, kId, passphrase("correct horse"));
  REQUIRE(first);
  CHECK(first->number == 0);
  CHECK(as_text(*first->data_key) == as_text(*data_key));
  const auto second = open_slots(slots, kId, key('a'));
  REQUIRE(second);
  CHECK(second->number == 1);
  CHECK(as_text(*second->data_key) == as_text(*data_key));
  CHECK_FALSE(opens(*driver, passphrase("correct horsf")));
  CHECK_FALSE(opens(*driver, key('b')));
  // A passphrase is no key, even when it has as many bytes.
  CHECK_FALSE(opens(*driver, passphrase(std::string(32, 'a'))));
}

TEST_CASE("a slot opens neither under another number nor in another repository") {
  const auto driver = storage::make_memory();
  add_slot(*driver, kId, *new_data_key(), key('a'), "");
  const std::string json = *get_document(*driver, SealContext(kId), slot_key(0));
  put_document(*driver, SealContext(kId), slot_key(5), json, storage::IfExists::fail);
  const std::string first = slot_key(0);
  driver->remove({&first, 1});
  CHECK(read_slots(*driver, kId).size() == 1);
  CHECK_FALSE(opens(*driver, key('a')));
  constexpr std::string_view other = "ff112233445566778899aabbccddeeff";
  const auto elsewhere = storage::make_memory();
  put_document(*elsewhere, SealContext(other), slot_key(0), json, storage::IfExists::fail);
  CHECK_FALSE(open_slots(read_slots(*elsewhere, other), other, key('a')));
}

TEST_CASE("slots are numbered on, and the last one stays") {
  const auto driver = storage::make_memory();
  const DataKey data_key = new_data_key();
  for (const char fill : {'a', 'b', 'c'}) add_slot(*driver, kId, *data_key, key(fill), "");
  remove_slot(*driver, kId, 0);
  CHECK_FALSE(opens(*driver, key('a')));
  CHECK(opens(*driver, key('b')));
  CHECK(add_slot(*driver, kId, *data_key, key('d'), "") == 3);
  CHECK_THAT(error_of<UsageError>([&] { remove_slot(*driver, kId, 0); }),
             Says({"no key slot 0", "1 (file), 2 (file), 3 (file)"}));
  remove_slot(*driver, kId, 1);
  remove_slot(*driver, kId, 3);
  CHECK_THAT(error_of<UsageError>([&] { remove_slot(*driver, kId, 2); }), Says({"last one"}));
  CHECK(opens(*driver, key('c')));
}

TEST_CASE("a slot that would take all memory is damage") {
  const auto driver = storage::make_memory();
  add_slot(*driver, kId, *new_data_key(), passphrase("x"), "");
  std::string json = *get_document(*driver, SealContext(kId), slot_key(0));
  const std::string cost = R"("n":32768)";
  json.replace(json.find(cost), cost.size(), R"("n":16777216)");
  put_document(*driver, SealContext(kId), slot_key(1), json, storage::IfExists::fail);
  CHECK_THAT(error_of<DamagedError>([&] { read_slots(*driver, kId); }), Says({"out of range"}));
}

TEST_CASE("a repository is created sealed, and everything in it is") {
  const auto store = storage::make_memory();
  Repository repository("s3", shared(*store), with_key('a'));
  CHECK(repository.create());
  CHECK(repository.seal_context().sealed());
  CHECK(repository.add_cluster("main", kCluster));
  const auto codec = compress::make_codec(compress::CodecId::zst, 1);
  const std::string segment = "000000010000000000000001";
  CHECK(repository.put_wal("main", kCluster, segment, wal_content(as_bytes("WAL")), *codec));
  CHECK_FALSE(repository.put_wal("main", kCluster, segment, wal_content(as_bytes("WAL")), *codec));

  Repository again("s3", shared(*store), with_key('a'));
  CHECK_FALSE(again.create());
  CHECK(again.clusters("main") == std::vector<Cluster>{kCluster});
  std::string got;
  CHECK(again.get_wal("main", kCluster, segment, [&](Bytes piece) { got += as_text(piece); }));
  CHECK(got == "WAL");
  for (const std::string& name : keys(*store)) {
    if (name == kRepositoryKey || name.starts_with(kSlotsPrefix)) continue;
    INFO(name);
    CHECK(object(*store, name)[15] == 1);  // sealed
  }
}

TEST_CASE("the wrong key, or none, names the slots and is no other error") {
  const auto store = storage::make_memory();
  Repository("s3", shared(*store), with_key('a')).create();
  Repository wrong("s3", shared(*store), with_key('b'));
  CHECK_THAT(error_of<KeyError>([&] { wrong.open(); }),
             Says({"key-file", R"(0 (file "first"))", "[repo.s3]"}));
  CHECK_THROWS_AS(wrong.create(), KeyError);
  Repository none("s3", shared(*store));
  CHECK_THAT(error_of<KeyError>([&] { none.open(); }),
             Says({"no key is configured", R"(0 (file "first"))"}));
  CHECK(none.identify());
  CHECK(keys(*store).size() == 2);
}

TEST_CASE("nothing is written unsealed where sealing was asked for") {
  const auto store = storage::make_memory();
  Repository("local", shared(*store)).create();
  Repository asks("local", shared(*store), with_key('a'));
  CHECK_THAT(error_of<UsageError>([&] { asks.open(); }), Says({"is not encrypted"}));
  CHECK_THROWS_AS(asks.create(), UsageError);
  const auto empty = storage::make_memory();
  Repository without_key("s3", shared(*empty), {true, {}, {}});
  CHECK_THAT(error_of<UsageError>([&] { without_key.create(); }),
             Says({"no key is configured", R"(encryption = "none")"}));
  CHECK(keys(*empty).empty());
}

TEST_CASE("a creation that was cut off before its slot is finished; a looted one is not") {
  const auto store = storage::make_memory();
  Repository("s3", shared(*store), with_key('a')).create();
  const std::string slot = slot_key(0);
  store->remove({&slot, 1});
  Repository again("s3", shared(*store), with_key('a'));
  CHECK_FALSE(again.create());
  again.add_cluster("main", kCluster);
  store->remove({&slot, 1});
  Repository late("s3", shared(*store), with_key('a'));
  CHECK_THAT(error_of<KeyError>([&] { late.create(); }), Says({"are none"}));
}

TEST_CASE("a kept key opens with the same secret only, and only out of a file of our own") {
  const TempDir directory;
  const fs::path place = directory.path() / "state/key";
  fs::create_directory(place.parent_path());
  const KeyCache cache(place);
  const DataKey data_key = new_data_key();
  CHECK_FALSE(cache.find(kId, passphrase("correct horse")));
  cache.keep(kId, passphrase("correct horse"), data_key);
  const DataKey found = cache.find(kId, passphrase("correct horse"));
  REQUIRE(found);
  CHECK(as_text(*found) == as_text(*data_key));
  CHECK_FALSE(cache.find(kId, passphrase("correct horsf")));
  CHECK_FALSE(cache.find("ff112233445566778899aabbccddeeff", passphrase("correct horse")));
  const Buffer content = read_file(place / kId);
  CHECK(as_text(content).find(as_text(*data_key)) == std::string_view::npos);
  CHECK((stat_if_exists(place)->st_mode & 0777) == 0700);
  CHECK((stat_if_exists(place / kId)->st_mode & 0777) == 0600);

  fs::permissions(place / kId, fs::perms::group_read, fs::perm_options::add);
  CHECK_FALSE(cache.find(kId, passphrase("correct horse")));
  fs::permissions(place / kId, fs::perms::group_read, fs::perm_options::remove);
  CHECK(cache.find(kId, passphrase("correct horse")));
  fs::permissions(place, fs::perms::others_exec, fs::perm_options::add);
  CHECK_FALSE(cache.find(kId, passphrase("correct horse")));
  fs::permissions(place, fs::perms::others_exec, fs::perm_options::remove);
  cache.forget(kId);
  CHECK_FALSE(cache.find(kId, passphrase("correct horse")));
}

TEST_CASE("with a kept key a repository is unlocked without its slots") {
  const TempDir directory;
  const auto store = storage::make_memory();
  KeySettings settings = with_key('a');
  settings.cache = directory.path() / "key";
  Repository("s3", shared(*store), settings).create();
  std::vector<std::string> asked;
  Hooks hooks;
  hooks.before = [&](std::string_view operation, std::string_view name) {
    asked.push_back(format("{} {}", operation, name));
  };
  Repository("s3", shared(*store, hooks), settings).open();
  CHECK(asked == std::vector<std::string>{"get pgcairn.json"});
  KeySettings wrong = with_key('b');
  wrong.cache = settings.cache;
  Repository other("s3", shared(*store), wrong);
  CHECK_THROWS_AS(other.open(), KeyError);
}
