#include "engine/backup/target_repositories.hpp"

#include "engine/backup/pack_writer.hpp"
#include "support/random.hpp"
#include "support/repository.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/browse.hpp>
#include <pgcairn/repo/layout.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::test;
using engine::Targets;

namespace {

/// Three repositories, of which `broken` refuses packs from the second on.
struct Three {
  explicit Three(std::size_t broken) {
    for (std::size_t i = 0; i < 3; ++i) {
      const auto fail = [](std::string_view operation, std::string_view key) {
        if (operation == "put" && key.ends_with("/pack/00000001")) throw Error("the disk is full");
      };
      repositories.emplace_back(std::string(1, static_cast<char>('a' + i)),
                                shared(*stores[i].store, i == broken ? Hooks{fail, {}} : Hooks{}));
      repositories.back().open();
    }
  }

  MemoryRepository stores[3];
  std::vector<repo::Repository> repositories;
};

std::string content(repo::Repository& repository, const std::string& key) {
  std::string all;
  repo::read_content(repository, key, [&](Bytes piece) { all += as_text(piece); });
  return all;
}

}  // namespace

TEST_CASE("packs go to all repositories, and to the others when one fails, whichever it is") {
  for (std::size_t broken = 0; broken < 4; ++broken) {
    INFO("repository " << broken);
    Three three(broken);
    Targets targets(three.repositories);
    engine::PackWriter store(three.repositories[0], "main", std::string(kLabel), 20'000,
                             [&](const std::string& key, MutableBytes object) {
                               targets.put(three.repositories[0], key, object);
                             });
    Workers workers({});
    store.start(workers, 2);
    engine::FrameFiller filler(store, compress::CodecId::none, 0, 8192);
    Random random(3);
    const std::string file = row_bytes(random, 100'000);
    std::vector<repo::Extent> map;
    filler.add("base/1", 0, as_bytes(file), map);
    filler.finish();
    store.close();
    workers.join();
    CHECK(targets.good().size() == (broken < 3 ? 2 : 3));
    CHECK(targets.failed().size() == (broken < 3 ? 1 : 0));
    for (const engine::FailedRepository& one : targets.failed()) {
      CHECK(one.name == three.repositories[broken].name());
      CHECK_THAT(one.reason, Catch::Contains("the disk is full"));
    }
    for (repo::Repository* const repository : targets.good()) {
      std::string all;
      for (const repo::ManifestPack& pack : store.stored()) {
        const std::string key = repo::pack_key("main", kLabel, pack.pack);
        CHECK(repository->driver().stat(key)->size_bytes == pack.size_bytes);
        all += content(*repository, key);
      }
      CHECK((all == file));
    }
  }
}

TEST_CASE("the failure of the last repository is the backup's") {
  Three three(3);
  Targets targets(three.repositories);
  CHECK_THROWS_WITH(
      targets.each([](repo::Repository& repository) { throw Error("no " + repository.name()); }),
      Catch::Contains("no c"));
  CHECK(targets.good().empty());
  CHECK(targets.failed().size() == 3);
}

TEST_CASE("a label is later than those of every repository, and free in each") {
  MemoryRepository one;
  MemoryRepository other;
  const std::vector<repo::Repository*> both = {&one.repository, &other.repository};
  const Timestamp soon = now() + std::chrono::seconds(600);
  const std::string listed = repo::full_backup_label(soon);
  other.repository.write_marker("main", sample_backup(listed));
  const std::string label = engine::new_label(both, "main", repo::BackupType::full, "");
  CHECK(label > listed);
  other.store->put(repo::pack_key("main", label, 0), as_bytes("x"), storage::IfExists::fail);
  CHECK(engine::new_label(both, "main", repo::BackupType::full, "") > label);
}

TEST_CASE("a backup is built on only where it is the same one") {
  MemoryRepository one;
  MemoryRepository other;
  const repo::BackupMarker info = sample_backup();
  const auto why = [&] { return engine::why_not_built_on(other.repository, "main", info); };
  CHECK_THAT(why().value(), Catch::Contains("is not in repository"));
  repo::BackupMarker different = info;
  different.stop_lsn.value += 8;
  other.repository.write_marker("main", different);
  CHECK_THAT(why().value(), Catch::Contains("another backup of this label"));
  const std::string marker = repo::marker_key("main", info.label);
  other.store->remove({&marker, 1});
  other.repository.write_marker("main", info);  // without its manifest and packs
  CHECK_THAT(why().value(), Catch::Contains("missing"));
}
