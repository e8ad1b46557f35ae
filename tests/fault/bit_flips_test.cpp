#include "support/small_cluster.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/engine/restore/restore.hpp>
#include <pgcairn/engine/verify/verify.hpp>
#include <pgcairn/repo/records.hpp>

#include <algorithm>
#include <set>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::test;

namespace {

// Every byte where headers, footers and JSON stand; payloads at this distance.
constexpr std::size_t kClosely = 128;
constexpr std::size_t kStride = 149;
// Of the flips, one in this number is restored from: the flips of an object are all alike to it.
constexpr std::size_t kRestoreEach = 23;

std::vector<std::size_t> places(std::size_t size) {
  std::vector<std::size_t> found;
  for (std::size_t at = 0; at < size; ++at) {
    if (at < kClosely || size - at <= kClosely || at % kStride == 0) found.push_back(at);
  }
  return found;
}

std::vector<std::string> damaged_objects(repo::Repository& repository) {
  engine::VerifyOptions options;
  options.level = engine::VerifyLevel::full;
  options.record = false;
  engine::NoProgress progress;
  const auto result =
      engine::verify("main", std::span(&repository, 1), options, progress, std::stop_token());
  CHECK(result.repositories[0].error == "");
  std::vector<std::string> objects;
  for (const engine::Damage& damage : result.repositories[0].damages)
    objects.push_back(damage.object);
  return objects;
}

/// Restored as it was, or refused.
enum class Restored { right, refused, wrong };

Restored restore(repo::Repository& repository, const SmallCluster& cluster) {
  const TempDir directory(TempDir::Where::memory);
  engine::RestoreOptions options;
  options.restore_command = "false";
  engine::NoProgress progress;
  try {
    const auto plan =
        engine::plan_restore({"main", directory / "data", {}}, std::span(&repository, 1), options,
                             progress, std::stop_token());
    if (plan.path.back().timeline != 2) return Restored::wrong;
    engine::run_restore(plan, progress, std::stop_token());
  } catch (const Error&) {
    return Restored::refused;
  }
  for (const auto& [path, content] : cluster.files) {
    if (path == "global/pg_control") continue;  // changed so that it needs its backup_label
    if (as_text(read_file(directory / "data" / path)) != content) return Restored::wrong;
  }
  const auto label = read_file(directory / "data/backup_label");
  return as_text(label) == cluster.info.backup_label ? Restored::right : Restored::wrong;
}

}  // namespace

TEST_CASE("a flipped bit in any object is found by verify, and never restored") {
  SmallCluster cluster;
  const auto store = storage::make_memory();
  repo::Repository repository("memory", shared(*store));
  cluster.store(repository);
  repo::add_record(repository, "main", repo::HoldRecord{std::string(kLabel), "audit", {}});
  REQUIRE(damaged_objects(repository).empty());
  REQUIRE(restore(repository, cluster) == Restored::right);

  std::set<std::string> refused;
  std::size_t flips = 0;
  const std::vector<std::string> all = keys(*store);
  CHECK(all.size() == 11);  // every kind of object but the lease, which nothing is restored by
  for (const std::string& key : all) {
    const std::string whole = object(*store, key);
    for (const std::size_t at : places(whole.size())) {
      INFO(key << " at " << at);
      std::string flipped = whole;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
      replace(*store, key, flipped);
      const auto found = damaged_objects(repository);
      CHECK(std::find(found.begin(), found.end(), key) != found.end());
      if (flips++ % kRestoreEach != 0) continue;
      const Restored how = restore(repository, cluster);
      CHECK(how != Restored::wrong);
      if (how == Restored::refused) refused.insert(key.substr(0, key.rfind('/')));
    }
    replace(*store, key, whole);
  }
  CHECK(damaged_objects(repository).empty());
  // Marker, manifest, pack, history and WAL: without them it is not restored.
  for (const std::string needed :
       {"main/backup", "main/data/20261121-010203F/manifest", "main/data/20261121-010203F/pack",
        "main/wal/15-7710454570926170144", "main/wal/15-7710454570926170144/0000000100000000"}) {
    INFO(needed);
    CHECK(refused.contains(needed));
  }
}
