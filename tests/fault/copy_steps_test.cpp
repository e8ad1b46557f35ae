#include "support/random.hpp"
#include "support/repository.hpp"
#include "support/says.hpp"
#include "support/small_cluster.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/engine/repo_copy/repo_copy.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/records.hpp>
#include <pgcairn/repo/stanza_view.hpp>

#include <algorithm>
#include <mutex>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::test;

namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

/// A backup with WAL of two timelines, a hold and an annotation, in one repository of two.
struct TwoRepositories {
  TwoRepositories() {
    cluster.store(from.repository);
    repo::add_record(from.repository, "main", repo::HoldRecord{cluster.info.label, "audit", {}});
    repo::add_record(from.repository, "main",
                     repo::AnnotationRecord{cluster.info.label, "ticket", "OPS-1"});
    files = read_whole_backup(from.repository, "main", cluster.info.label);
  }

  SmallCluster cluster;
  MemoryRepository from;
  MemoryRepository to;
  Files files;
};

engine::CopyResult copy(repo::Repository& from, repo::Repository& to) {
  engine::NoProgress progress;
  return engine::copy_backup("main", from, to, {}, progress, {});
}

repo::WalListing listed_wal(repo::Repository& repository, const repo::Cluster& cluster) {
  return repo::StanzaView(repository, "main").list_wal(repo::cluster_id(cluster));
}

/// What is listed is whole, with the WAL that leads on from it; whether something is.
bool listed_and_whole(TwoRepositories& two) {
  repo::Repository& to = two.to.repository;
  const std::vector<std::string> labels = to.backup_labels("main");
  if (labels.empty()) return false;
  CHECK(labels == std::vector{two.cluster.info.label});
  CHECK((read_whole_backup(to, "main", labels.front()) == two.files));
  const repo::WalListing ours = listed_wal(two.from.repository, two.cluster.cluster);
  const repo::WalListing theirs = listed_wal(to, two.cluster.cluster);
  CHECK(theirs.segments == ours.segments);
  CHECK(theirs.histories == ours.histories);
  CHECK(theirs.partials == ours.partials);
  const repo::RecordState record_state(repo::read_records(to, "main"), now());
  CHECK(record_state.holds(labels.front()).size() == 1);
  CHECK(record_state.annotations(labels.front()).size() == 1);
  return true;
}

std::vector<std::string> all_but_leases(storage::Driver& driver) {
  std::vector<std::string> all = keys(driver);
  std::erase_if(all, [](const std::string& key) { return key.starts_with("lease/"); });
  return all;
}

}  // namespace

TEST_CASE("whichever operation of a copy fails, what is listed is whole, and the next goes on") {
  enum class Side { source, target };
  enum class How { refused, unanswered };
  for (const Side side : {Side::source, Side::target}) {
    for (const How how : {How::refused, How::unanswered}) {
      for (int n = 0;; ++n) {
        REQUIRE(n < 1000);
        TwoRepositories two;
        std::mutex mutex;
        int count = 0;
        std::string failed;
        const auto fail = [&](std::string_view operation, std::string_view key) {
          std::lock_guard lock(mutex);
          if (count++ != n) return;
          failed = std::string(operation) + " " + std::string(key);
          throw Error("the store is gone");
        };
        const Hooks hooks = how == How::refused ? Hooks{fail, {}} : Hooks{{}, fail};
        {
          const bool at_source = side == Side::source;
          repo::Repository from("from", shared(*two.from.store, at_source ? hooks : Hooks{}));
          repo::Repository to("to", shared(*two.to.store, at_source ? Hooks{} : hooks));
          try {
            copy(from, to);
            CHECK(listed_and_whole(two));
          } catch (const Error&) {
            CHECK_FALSE(failed.empty());
          }
        }
        INFO("operation " << n << ": " << failed);
        listed_and_whole(two);
        // A lease that could not be given back runs out: this process lives on.
        two.to.store->remove(keys(*two.to.store, "lease/"));
        copy(two.from.repository, two.to.repository);
        CHECK(listed_and_whole(two));
        std::vector<std::string> wanted = all_but_leases(*two.from.store);
        CHECK(all_but_leases(*two.to.store) == wanted);
        if (failed.empty()) {
          CHECK(n > 15);
          break;
        }
      }
    }
  }
}

TEST_CASE(
    "a copy lists nothing when an expire takes away at the source what it is about to fetch") {
  for (const std::string what : {"/pack/", "/manifest/", "/wal/"}) {
    TwoRepositories two;
    bool gone = false;
    repo::Repository from(
        "from", shared(*two.from.store, {[&](std::string_view operation, std::string_view key) {
                                           if (gone || operation != "get" ||
                                               key.find(what) == key.npos ||
                                               key.ends_with(".history"))
                                             return;
                                           gone = true;
                                           const std::string taken(key);
                                           two.from.store->remove({&taken, 1});
                                         },
                                         {}}));
    CHECK_THROWS_AS(copy(from, two.to.repository), DamagedError);
    CHECK(gone);
    CHECK(two.to.repository.backup_labels("main").empty());
  }
}

TEST_CASE("a copy passes over what is there, and tells how much that was") {
  TwoRepositories two;
  const engine::CopyResult first = copy(two.from.repository, two.to.repository);
  CHECK_FALSE(first.was_listed);
  CHECK(first.packs.copied.objects == 1);
  CHECK(first.records == 2);
  const std::string key = repo::pack_key("main", two.cluster.info.label, 0);
  CHECK(object(*two.to.store, key).size() == object(*two.from.store, key).size());
  const engine::CopyResult again = copy(two.from.repository, two.to.repository);
  CHECK(again.was_listed);
  CHECK(again.packs.there.objects == 1);
  CHECK(again.packs.copied.objects == 0);
  CHECK(again.wal.copied.objects == 0);
  CHECK(again.wal.there.bytes == first.wal.copied.bytes);
}

TEST_CASE("a copy never takes one content for another of the same size") {
  TwoRepositories two;
  copy(two.from.repository, two.to.repository);
  SmallCluster other;
  for (auto& [path, content] : other.files) {
    if (path.starts_with("base/")) std::reverse(content.begin(), content.end());
  }
  // As if an interrupted backup of the same label were there.
  MemoryRepository third;
  third.repository.create();
  const std::string marker = repo::marker_key("main", two.cluster.info.label);
  repo::Repository source = third.client();
  other.store(source);
  two.from.store->remove({&marker, 1});
  const std::string foreign = object(*third.store, marker);
  repo::Repository& to = two.to.repository;
  CHECK_THROWS_AS(copy(source, to), ConflictError);
  two.to.store->remove({&marker, 1});
  CHECK_THROWS_AS(copy(source, to), ConflictError);
  CHECK(to.backup_labels("main").empty());
}

namespace {

/// Stores WAL in the target, which differs from the source's or does not, before the copy comes.
bool put_wal(repo::Repository& repository, const SmallCluster& cluster, const std::string& file,
             std::string_view content, compress::CodecId codec_id) {
  const auto codec = compress::make_codec(codec_id, compress::levels_of(codec_id).usual);
  return repository.put_wal("main", cluster.cluster, file, repo::wal_content(as_bytes(content)),
                            *codec);
}

std::string wal(repo::Repository& repository, const SmallCluster& cluster,
                const std::string& file) {
  std::string all;
  repository.get_wal("main", cluster.cluster, file, [&](Bytes piece) { all += as_text(piece); });
  return all;
}

}  // namespace

TEST_CASE("a copy compares what the WAL of the target is, not how long it is") {
  Random random(seed());
  for (int round = 0; round < 12; ++round) {
    TwoRepositories two;
    // Stored as it is in both, so that its objects are of one size.
    SmallCluster& cluster = two.cluster;
    const std::string prefix = repo::wal_prefix("main", repo::cluster_id(cluster.cluster));
    const std::vector<std::string> all = keys(*two.from.store, prefix);
    const std::string key = all[below(random, all.size())];
    const std::string file = key.substr(key.rfind('/') + 1);
    if (file.ends_with(".history")) continue;
    std::string content = wal(two.from.repository, cluster, file);
    two.from.store->remove({&key, 1});
    put_wal(two.from.repository, cluster, file, content, compress::CodecId::none);
    const bool same = below(random, 2) == 0;
    const bool same_codec = !same || below(random, 2) == 0;
    if (!same) {
      char& byte = content[below(random, content.size())];
      byte = static_cast<char>(byte ^ 1);
    }
    two.to.repository.add_cluster("main", cluster.cluster);
    put_wal(two.to.repository, cluster, file, content,
            same_codec ? compress::CodecId::none : compress::CodecId::lz4);
    const std::string before = object(*two.to.store, key);
    INFO("round " << round << ", " << file << ", same " << same << ", same codec " << same_codec);
    if (same) {
      copy(two.from.repository, two.to.repository);
      CHECK(listed_and_whole(two));
    } else {
      CHECK_THAT(error_of<ConflictError>([&] { copy(two.from.repository, two.to.repository); }),
                 Says({file, "memory"}));
      CHECK(two.to.repository.backup_labels("main").empty());
    }
    CHECK((object(*two.to.store, key) == before));
  }
}

TEST_CASE(
    "what is damaged in the target is named, never replaced, and keeps the copy from listing") {
  Random random(seed());
  for (const std::string what : {"/pack/", "/manifest/", "/wal/"}) {
    TwoRepositories two;
    copy(two.from.repository, two.to.repository);
    const std::string marker = repo::marker_key("main", two.cluster.info.label);
    two.to.store->remove({&marker, 1});
    for (const std::string& key : keys(*two.to.store, "main/")) {
      if (key.find(what) == key.npos) continue;
      const std::string good = object(*two.to.store, key);
      std::string bad = good;
      // A pack is compared by its index, which is at its end.
      const std::size_t at =
          what == "/pack/" ? bad.size() - 33 - below(random, 20) : below(random, bad.size());
      bad[at] = static_cast<char>(bad[at] ^ 0x10);
      replace(*two.to.store, key, bad);
      INFO(key << ", byte " << at);
      repo::Repository target("second", shared(*two.to.store));
      CHECK_THAT(error_of([&] { copy(two.from.repository, target); }), Says({key, "second"}));
      CHECK((object(*two.to.store, key) == bad));
      CHECK(two.to.repository.backup_labels("main").empty());
      // Taken away, it is copied again.
      two.to.store->remove({&key, 1});
      copy(two.from.repository, target);
      CHECK(listed_and_whole(two));
      two.to.store->remove({&marker, 1});
    }
  }
}
