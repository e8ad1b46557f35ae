#include "support/repository.hpp"

#include "support/random.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/frame.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <cerrno>
#include <chrono>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;
using storage::IfExists;

namespace {

const Cluster kCluster{7412345678901234567, 15};
const std::string kSegment = "000000010000000000000006";

std::unique_ptr<compress::Codec> zst() {
  return compress::make_codec(compress::CodecId::zst, 1);
}

bool put(Repository& repository, const std::string& file, std::string_view content) {
  const auto codec = zst();
  return repository.put_wal("main", kCluster, file, wal_content(as_bytes(content)), *codec);
}

std::optional<std::string> got(Repository& repository, const std::string& file) {
  std::string content;
  if (!repository.get_wal("main", kCluster, file, [&](Bytes piece) { content += as_text(piece); }))
    return std::nullopt;
  return content;
}

std::string key_of(const std::string& file) {
  return wal_key("main", cluster_id(kCluster), file);
}

}  // namespace

TEST_CASE("a repository is made once") {
  const auto store = storage::make_memory();
  Repository repository("local", shared(*store));
  CHECK_THAT(error_of<MissingError>([&] { repository.open(); }), Says({"no repository"}));
  CHECK(repository.create());
  const std::string id = repository.id();
  CHECK(id.size() == 32);
  CHECK_FALSE(repository.create());
  CHECK(repository.id() == id);
  Repository other("other", shared(*store));
  other.open();
  CHECK(other.id() == id);
  CHECK(keys(*store) == std::vector<std::string>{"pgcairn.json"});
}

TEST_CASE(
    "a repository that is there is never made again, whatever the store does with conditions") {
  MemoryRepository memory;
  const std::string before = object(*memory.store, "pgcairn.json");
  SECTION("once more") {
    Repository again("again", shared(*memory.store, {{}, {}, false, true}));
    CHECK_FALSE(again.create());
    CHECK(again.id() == memory.repository.id());
  }
  SECTION("it cannot be read") {
    Repository blind("blind",
                     shared(*memory.store, {[](std::string_view operation, std::string_view) {
                                              if (operation == "get")
                                                throw TransientError("timeout");
                                            },
                                            {},
                                            false,
                                            true}));
    CHECK_THROWS_AS(blind.create(), TransientError);
  }
  SECTION("it is damaged") {
    replace(*memory.store, "pgcairn.json", before.substr(1));
    Repository other("other", shared(*memory.store, {{}, {}, false, true}));
    CHECK_THROWS_AS(other.create(), DamagedError);
    CHECK(object(*memory.store, "pgcairn.json") == before.substr(1));
    return;
  }
  CHECK(object(*memory.store, "pgcairn.json") == before);
}

TEST_CASE(
    "two that make a repository at once in a store that overwrites do not both believe in it") {
  const auto store = storage::make_memory();
  bool once = false;
  std::string others;
  const bool before = GENERATE(true, false);
  const storage::Fault meanwhile = [&](std::string_view operation, std::string_view key) {
    if (operation != "put" || key == kProofKey || std::exchange(once, true)) return;
    Repository faster("faster", shared(*store, {{}, {}, false, true}));
    if (!before) store->remove({&(others = "pgcairn.json"), 1});
    faster.create();
    others = faster.id();
  };
  Repository repository("slow", shared(*store, before ? Hooks{meanwhile, {}, false, true}
                                                      : Hooks{{}, meanwhile, false, true}));
  if (before) {
    CHECK(repository.create());  // it was later, and what is there is its own
    CHECK(repository.id() != others);
  } else {
    CHECK_THAT(error_of<ConflictError>([&] { repository.create(); }),
               Says({"at the same time", others}));
  }
}

TEST_CASE("a repository that another run makes between two questions is not left of one") {
  const auto store = storage::make_memory();
  bool once = false;
  std::string others;
  const storage::Fault meanwhile = [&](std::string_view operation, std::string_view) {
    if (operation != "list" || std::exchange(once, true)) return;
    Repository faster("faster", shared(*store));
    faster.create();
    faster.add_cluster("main", {7710454570926170144u, 15});
    others = faster.id();
  };
  Repository repository("slow", shared(*store, {meanwhile, {}, false, false}));
  CHECK_FALSE(repository.create());
  CHECK(repository.id() == others);
}

TEST_CASE("no repository is made over what is left of one") {
  MemoryRepository memory;
  const std::string key =
      GENERATE(as<std::string>(), "cluster/main/15-1.json", "key/00000000.json");
  memory.store->put(key, as_bytes("x"), IfExists::fail);
  const std::string identity = "pgcairn.json";
  memory.store->remove({&identity, 1});
  Repository again("again", shared(*memory.store));
  CHECK_THAT(error_of<DamagedError>([&] { again.create(); }), Says({"pgcairn.json", key}));
  CHECK(keys(*memory.store) == std::vector{key});
}

TEST_CASE("an id that could be the name of another file is refused") {
  for (const std::string id :
       {"", "x", "../../../etc/passwd", "00112233445566778899AABBCCDDEEFF",
        "00112233445566778899aabbccddeef/", "00112233445566778899aabbccddeeff0"}) {
    const auto store = storage::make_memory();
    put_document(*store, SealContext(""), "pgcairn.json",
                 format(R"({{"format":1,"id":"{}","created":"x","sealed":false}})", id),
                 IfExists::fail);
    Repository repository("local", shared(*store));
    INFO(id);
    CHECK_THROWS_AS(repository.open(), DamagedError);
  }
}

TEST_CASE("a backup that is removed between listing and reading is no backup, and no error") {
  MemoryRepository memory;
  memory.repository.write_marker("main", sample_backup("20261121-010203F"));
  memory.repository.write_marker("main", sample_backup("20261122-010203F"));
  const std::string gone = marker_key("main", "20261121-010203F");
  Repository reader = memory.client({[&](std::string_view operation, std::string_view key) {
                                       if (operation == "get" && key == gone)
                                         memory.store->remove({&gone, 1});
                                     },
                                     {}});
  const auto backups = reader.backups("main");
  REQUIRE(backups.size() == 1);
  CHECK(backups[0].label == "20261122-010203F");
  CHECK_FALSE(reader.find_backup("main", "20261121-010203F"));
}

TEST_CASE("a repository of a later version is refused in words") {
  const auto store = storage::make_memory();
  put_document(*store, SealContext(""), "pgcairn.json", R"({"format":2,"sealed":false,"id":"x"})",
               IfExists::fail);
  Repository repository("local", shared(*store));
  CHECK_THAT(error_of([&] { repository.open(); }),
             Says({"format version 2", "use a newer pgcairn"}));
}

TEST_CASE("a stanza is there when it has a cluster") {
  MemoryRepository memory;
  Repository& repository = memory.repository;
  CHECK(repository.stanzas().empty());
  CHECK(repository.clusters("main").empty());
  CHECK_FALSE(repository.has_cluster("main", kCluster));

  CHECK(repository.add_cluster("main", kCluster));
  CHECK_FALSE(repository.add_cluster("main", kCluster));
  const Cluster upgraded{kCluster.system_id, 16};
  CHECK(repository.add_cluster("main", upgraded));
  CHECK(repository.add_cluster("main2", kCluster));
  CHECK(repository.add_cluster("a", kCluster));

  CHECK(repository.stanzas() == std::vector<std::string>{"a", "main", "main2"});
  CHECK(repository.clusters("main") == std::vector<Cluster>{kCluster, upgraded});
  CHECK(repository.clusters("main2") == std::vector<Cluster>{kCluster});
  CHECK(repository.has_cluster("main", upgraded));
  CHECK_FALSE(repository.has_cluster("a", upgraded));
  CHECK(object(*memory.store, "cluster/a/15-7412345678901234567.json")
            .starts_with(R"({"system-id":"7412345678901234567","pg-version":15})"
                         "\n"));
}

TEST_CASE("the markers are the catalog") {
  using namespace std::chrono_literals;
  MemoryRepository memory;
  Repository& repository = memory.repository;
  BackupMarker older = sample_backup("20261121-010203F");
  BackupMarker newer = sample_backup("20261120-010203F");  // by a clock that was set back
  newer.stop_time = older.stop_time + 1s;
  repository.write_marker("main", newer);
  repository.write_marker("main", older);
  repository.write_marker("other", sample_backup("20261122-010203F"));
  // Packs and manifest without a marker are no backup, and neither is what is no label.
  memory.store->put(pack_key("main", "20261123-010203F", 0), as_bytes("pack"), IfExists::fail);
  memory.store->put(manifest_key("main", "20261123-010203F", 0), as_bytes("x"), IfExists::fail);
  memory.store->put("main/backup/notes.json", as_bytes("{}\n"), IfExists::fail);
  memory.store->put("main/backup/20261123-010203F.json.bak", as_bytes("x"), IfExists::fail);

  CHECK(repository.backup_labels("main") ==
        std::vector<std::string>{"20261120-010203F", "20261121-010203F"});
  const auto backups = repository.backups("main");
  REQUIRE(backups.size() == 2);
  CHECK(backups[0].label == older.label);
  CHECK(backups[1].label == newer.label);
  CHECK(repository.backups("nobody").empty());

  CHECK_THAT(error_of<MissingError>([&] { repository.read_marker("main", "20261123-010203F"); }),
             Says({"20261123-010203F", "main", "memory"}));
  CHECK_THROWS_AS(repository.write_marker("main", older), ConflictError);

  // A marker that says another label than its key: made by no program, believed by none.
  put_document(*memory.store, repository.seal_context(), marker_key("main", "20261124-010203F"),
               write_backup_marker(older), IfExists::fail);
  CHECK_THAT(error_of<DamagedError>([&] { repository.read_marker("main", "20261124-010203F"); }),
             Says({"20261124-010203F", older.label}));
  // One marker that cannot be read: the listing fails, and does not leave it out.
  CHECK_THROWS_AS(repository.backups("main"), DamagedError);
}

TEST_CASE("WAL is stored once: the same again is success, anything else is refused") {
  Random random(seed());
  MemoryRepository memory;
  Repository& repository = memory.repository;
  const std::string content = row_bytes(random, 16 * kMiB);
  CHECK_FALSE(repository.has_wal("main", kCluster, kSegment));
  CHECK(got(repository, kSegment) == std::nullopt);
  CHECK(put(repository, kSegment, content));
  CHECK(repository.has_wal("main", kCluster, kSegment));
  CHECK(got(repository, kSegment) == content);
  const std::string stored = object(*memory.store, key_of(kSegment));

  CHECK_FALSE(put(repository, kSegment, content));
  const auto lz4 = compress::make_codec(compress::CodecId::lz4, 1);
  CHECK_FALSE(repository.put_wal("main", kCluster, kSegment, wal_content(as_bytes(content)), *lz4));

  std::string other = content;
  other.back() = static_cast<char>(other.back() + 1);
  for (const std::string& different :
       {other, content.substr(0, content.size() - 1), content + "x", std::string()}) {
    CHECK_THAT(error_of<ConflictError>([&] { put(repository, kSegment, different); }),
               Says({kSegment, "other content"}));
  }
  CHECK(object(*memory.store, key_of(kSegment)) == stored);
  // Another cluster's segment of that name is another object.
  CHECK_FALSE(repository.has_wal("main", {1, 15}, kSegment));
  CHECK_FALSE(repository.has_wal("main", {kCluster.system_id, 16}, kSegment));
}

TEST_CASE("WAL files of all kinds and sizes come back, and are listed") {
  Random random(seed());
  MemoryRepository memory;
  Repository& repository = memory.repository;
  const std::pair<std::string, std::size_t> files[] = {
      {"00000002.history", 0},
      {"00000003.history", 41},
      {"000000010000000000000007.00000028.backup", 300},
      {"000000010000000000000008.partial", 4 * kMiB},
      {"000000010000000000000009", 4 * kMiB + 1},
      {"0000000100000000000000FF", 1},
      {"000000010000000100000000", 4 * kMiB - 1},
  };
  for (const auto& [file, size] : files) {
    const std::string content = random_bytes(random, size);
    CHECK(put(repository, file, content));
    CHECK(got(repository, file) == content);
  }
  const WalListing listing = StanzaView(repository, "main").list_wal(cluster_id(kCluster));
  CHECK(listing.histories == std::vector<std::string>{"00000002.history", "00000003.history"});
  CHECK(listing.partials == std::vector<std::string>{"000000010000000000000008.partial"});
  CHECK(listing.segments == std::vector<std::string>{"000000010000000000000009",
                                                     "0000000100000000000000FF",
                                                     "000000010000000100000000"});
  CHECK(StanzaView(repository, "main").list_wal("15-1").segments.empty());
}

TEST_CASE("a WAL object that is damaged is neither fetched nor taken for the same") {
  Random random(seed());
  MemoryRepository memory;
  Repository& repository = memory.repository;
  const std::string content = random_bytes(random, 9 * kMiB);
  put(repository, kSegment, content);
  const std::string key = key_of(kSegment);
  const std::string whole = object(*memory.store, key);

  const auto refused = [&](const std::string& bytes) {
    replace(*memory.store, key, bytes);
    CHECK_THAT(error_of<DamagedError>([&] { got(repository, kSegment); }), Says({key}));
    CHECK_THROWS_AS(put(repository, kSegment, content), DamagedError);
  };
  for (int i = 0; i < 20; ++i) {
    std::string changed = whole;
    char& byte = changed[below(random, whole.size())];
    byte = static_cast<char>(byte ^ (1 << below(random, 8)));
    refused(changed);
  }
  refused("");
  refused(whole.substr(0, whole.size() - 1));
  refused(whole + "x");

  // Whole frames that are missing, or change places.
  FrameReader reader(repository.seal_context(), key);
  std::vector<std::string> frames;
  for (std::size_t at = 0; at < whole.size(); at += frames.back().size()) {
    const std::string_view rest = std::string_view(whole).substr(at);
    frames.emplace_back(rest.substr(0, reader.whole_bytes(as_bytes(rest), at)));
  }
  REQUIRE(frames.size() == 3);
  refused(frames[0]);
  refused(frames[0] + frames[1]);
  refused(frames[1] + frames[2]);
  refused(frames[0] + frames[2]);
  refused(frames[0] + frames[2] + frames[1]);
  refused(frames[0] + frames[1] + frames[2] + frames[2]);

  // Another segment's object under this key, and one that says another name.
  replace(*memory.store, key, whole);
  const std::string other = "000000010000000000000007";
  put(repository, other, content);
  refused(object(*memory.store, key_of(other)));
  const auto codec = zst();
  FrameWriter writer(FrameKind::wal, repository.seal_context(), key, *codec);
  Buffer body;
  writer.append(as_bytes("x"), as_bytes(R"({"file":"000000010000000000000007","size":1})"), body);
  refused(std::string(as_text(body)));
  FrameWriter longer(FrameKind::wal, repository.seal_context(), key, *codec);
  body.clear();
  longer.append(as_bytes("x"), as_bytes(R"({"file":"000000010000000000000006","size":2})"), body);
  refused(std::string(as_text(body)));
}

TEST_CASE("what cannot be found out is never absent") {
  MemoryRepository memory;
  memory.repository.add_cluster("main", kCluster);
  memory.repository.write_marker("main", sample_backup());
  put(memory.repository, kSegment, "wal");
  bool down = false;
  Repository repository = memory.client({[&](std::string_view, std::string_view) {
                                           if (down) throw TransientError("no route to host");
                                         },
                                         {}});
  Repository blind = memory.client({[&](std::string_view operation, std::string_view) {
                                      if (down && operation == "get")
                                        throw TransientError("no route to host");
                                    },
                                    {}});
  down = true;
  CHECK_THROWS_AS(repository.open(), TransientError);
  CHECK_THROWS_AS(repository.create(), TransientError);
  CHECK_THROWS_AS(repository.stanzas(), TransientError);
  CHECK_THROWS_AS(repository.clusters("main"), TransientError);
  CHECK_THROWS_AS(repository.add_cluster("main", kCluster), TransientError);
  CHECK_THROWS_AS(repository.has_cluster("main", kCluster), TransientError);
  CHECK_THROWS_AS(repository.backup_labels("main"), TransientError);
  CHECK_THROWS_AS(repository.backups("main"), TransientError);
  CHECK_THROWS_AS(repository.read_marker("main", std::string(kLabel)), TransientError);
  CHECK_THROWS_AS(put(repository, kSegment, "wal"), TransientError);
  CHECK_THROWS_AS(got(repository, kSegment), TransientError);
  CHECK_THROWS_AS(repository.has_wal("main", kCluster, kSegment), TransientError);
  CHECK_THROWS_AS(StanzaView(repository, "main").list_wal(cluster_id(kCluster)), TransientError);

  // The object is in the way, and cannot be compared: that is no success.
  CHECK_THROWS_AS(put(blind, kSegment, "wal"), TransientError);
}

TEST_CASE(
    "what is acknowledged is in the repository that is there, when it is made again meanwhile") {
  const bool sealed = GENERATE(false, true);
  const bool emptied = GENERATE(false, true);  // or made again at once
  INFO((sealed ? "sealed, " : "") << (emptied ? "emptied" : "made again"));
  KeySettings keys;
  keys.required = sealed;
  if (sealed) {
    keys.secret = [] {
      return KeySecret{KeyKind::passphrase, "the test",
                       crypto::SecretBytes(as_bytes("open sesame and more"))};
    };
  }
  int steps = 0;
  int all_steps = 1;
  for (int at = -1; at < all_steps; ++at) {  // at first undisturbed
    INFO("before operation " << at);
    const auto store = storage::make_memory();
    const auto make = [&] {
      Repository made("made", shared(*store), keys);
      made.create();
      made.add_cluster("main", kCluster);
    };
    make();
    steps = 0;
    const auto happen = [&](std::string_view, std::string_view) {
      if (steps++ != at) return;
      const auto all = test::keys(*store);
      store->remove(all);
      if (!emptied) make();
    };
    Repository pusher("pusher", shared(*store, {happen, {}}), keys);
    bool stored = false;
    try {
      pusher.open();
      put(pusher, kSegment, "content");
      stored = true;
    } catch (const Error&) {
    }
    if (at < 0) {
      all_steps = steps;
      CHECK(stored);
      continue;
    }
    if (emptied) {
      // What is left of the old one must not stand in the way of a new one.
      CHECK_FALSE(store->stat(key_of(kSegment)));
      CHECK_FALSE(stored);
      continue;
    }
    Repository now_there("now", shared(*store), keys);
    now_there.open();
    if (stored) CHECK(got(now_there, kSegment) == "content");
    // Whatever came of it, the next try stores it.
    CHECK_NOTHROW(put(now_there, kSegment, "content"));
    CHECK(got(now_there, kSegment) == "content");
  }
  CHECK(all_steps >= 3);
}

TEST_CASE("an object that another repository left where WAL belongs is named with the way out") {
  MemoryRepository memory;
  put(memory.repository, kSegment, "content");
  const std::string wal = object(*memory.store, key_of(kSegment));
  memory.store->remove({{std::string(kRepositoryKey), key_of(kSegment)}});
  Repository other("other", shared(*memory.store));
  other.create();
  memory.store->put(key_of(kSegment), as_bytes(wal), IfExists::fail);
  CHECK_THAT(error_of<DamagedError>([&] { put(other, kSegment, "content"); }),
             Says({key_of(kSegment), "another repository", "remove \"" + key_of(kSegment)}));
  CHECK(object(*memory.store, key_of(kSegment)) == wal);
  // Who still takes it for the old one finds the same bytes, and must not be content.
  CHECK_THAT(error_of([&] { put(memory.repository, kSegment, "content"); }),
             Says({"was replaced by a new one", other.id()}));
}

TEST_CASE("one key slot, and one cluster's document, that cannot be read") {
  MemoryRepository memory;
  memory.repository.add_cluster("main", kCluster);
  const auto blind_to = [](storage::Driver& store, std::string key) {
    return storage::with_unreadable(
        shared(store, {[key](std::string_view operation, std::string_view asked) {
                         if (operation == "get" && asked == key)
                           throw SystemError("cannot read", EIO);
                       },
                       {}}),
        std::string(kRepositoryKey));
  };
  Repository blind("blind", blind_to(*memory.store, cluster_key("main", cluster_id(kCluster))));
  blind.open();
  CHECK(blind.clusters("main") == std::vector<Cluster>{kCluster});

  const auto with = [](std::string_view passphrase) {
    KeySettings keys;
    keys.required = true;
    keys.secret = [passphrase] {
      return KeySecret{KeyKind::passphrase, "the test", crypto::SecretBytes(as_bytes(passphrase))};
    };
    return keys;
  };
  const auto store = storage::make_memory();
  Repository sealed("sealed", shared(*store), with("the first passphrase"));
  sealed.create();
  put_slot(*store, sealed.id(), 1, *sealed.seal_context().data_key(),
           with("the second passphrase").secret(), "second");
  Repository second("second", blind_to(*store, slot_key(0)), with("the second passphrase"));
  CHECK_NOTHROW(second.open());
  Repository first("first", blind_to(*store, slot_key(0)), with("the first passphrase"));
  CHECK_THAT(error_of<DamagedError>([&] { first.open(); }), Says({slot_key(0)}));
}
