#include "support/random.hpp"
#include "support/repository.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/secret.hpp>
#include <pgcairn/repo/browse.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack.hpp>
#include <pgcairn/repo/reseal.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::test;

namespace {

constexpr repo::Cluster kCluster{7412345678901234567, 15};
const std::string kSegment = "000000010000000000000007";

std::string pack_of(const repo::SealContext& seal_context, const std::string& key) {
  Random random(3);
  const auto codec = compress::make_codec(compress::CodecId::zst, 3);
  repo::PackBuilder builder(5, seal_context, key, *codec, 1 << 20, {});
  for (int i = 0; i < 4; ++i) {
    const std::string content = row_bytes(random, 30'000);
    const std::vector<repo::Piece> pieces = {
        {"base/1/" + std::to_string(i), {{0, content.size()}}}};
    builder.add(as_bytes(content), repo::write_pieces(pieces));
  }
  return std::string(as_text(builder.finish().body));
}

std::string pack_in(repo::Repository& repository, const std::string& key) {
  std::string pack = pack_of(repository.seal_context(), key);
  repository.driver().put(key, as_bytes(pack), storage::IfExists::fail);
  return pack;
}

/// What an object of one repository is in another one.
std::string rebound(std::string object, const std::string& key, const repo::Repository& from,
                    const repo::Repository& to) {
  repo::reseal({reinterpret_cast<std::byte*>(object.data()), object.size()}, key,
               from.seal_context(), to.seal_context());
  return object;
}

std::string content(repo::Repository& repository, const std::string& key) {
  std::string all;
  const bool found =
      repo::read_content(repository, key, [&](Bytes piece) { all += as_text(piece); });
  CHECK(found);
  return all;
}

std::string said_by(const std::function<void()>& action) {
  try {
    action();
  } catch (const DamagedError& error) {
    return error.message();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("a pack that is bound anew has the same index, and is of its new place only") {
  MemoryRepository one;
  MemoryRepository other;
  const std::string key = repo::pack_key("main", kLabel, 5);
  const std::string before = pack_in(one.repository, key);
  const std::string after = rebound(before, key, one.repository, other.repository);
  REQUIRE(after.size() == before.size());
  CHECK(after != before);
  const auto index = repo::PackIndex::parse(as_bytes(before), one.repository.seal_context(), key);
  CHECK(repo::PackIndex::parse(as_bytes(after), other.repository.seal_context(), key) == index);
  // Headers alone differ.
  for (std::uint32_t i = 0; i < index.frames(); ++i) {
    const std::size_t start = index.offset(i) + repo::kFrameHeaderBytes;
    CHECK(after.substr(start, index.end(i) - start) == before.substr(start, index.end(i) - start));
  }
  other.store->put(key, as_bytes(after), storage::IfExists::fail);
  CHECK(content(other.repository, key) == content(one.repository, key));
  CHECK(rebound(after, key, other.repository, one.repository) == before);

  // Neither is taken for the other's, nor for another pack's.
  replace(*other.store, key, before);
  CHECK_THAT(said_by([&] { content(other.repository, key); }),
             Catch::Contains("another repository"));
  CHECK_THAT(said_by([&] { rebound(after, key, one.repository, other.repository); }),
             Catch::Contains("another repository"));
  CHECK_THAT(said_by([&] {
               rebound(before, repo::pack_key("main", kLabel, 6), one.repository, other.repository);
             }),
             Catch::Contains("another object"));
}

TEST_CASE(
    "a sealed pack is sealed anew with the other's key, and stays the object that manifests name") {
  const auto key_of = [](char fill) {
    return std::make_shared<const crypto::SecretBytes>(as_bytes(std::string(32, fill)));
  };
  const std::string key = repo::pack_key("main", kLabel, 5);
  struct Row {
    std::shared_ptr<const crypto::SecretBytes> from;
    std::shared_ptr<const crypto::SecretBytes> to;
  };
  const std::vector<Row> rows = {
      {key_of('a'), key_of('b')}, {key_of('a'), nullptr}, {nullptr, key_of('b')}};
  for (const Row& row : rows) {
    const repo::SealContext from(kId, row.from);
    const repo::SealContext to("ffeeddccbbaa99887766554433221100", row.to);
    std::string body = pack_of(from, key);
    const auto index = repo::PackIndex::parse(as_bytes(body), from, key);
    CHECK(index.seal().has_value() == from.sealed());
    const std::string before = body;
    repo::reseal({reinterpret_cast<std::byte*>(body.data()), body.size()}, key, from, to);
    CHECK(body.size() == before.size());
    const auto rebound_index = repo::PackIndex::parse(as_bytes(body), to, key);
    CHECK(rebound_index.seal().has_value() == to.sealed());
    if (from.sealed() && to.sealed()) CHECK(rebound_index.seal() == index.seal());
    CHECK(rebound_index.frames() == index.frames());
    for (std::uint32_t i = 0; i <= index.frames(); ++i)
      CHECK(rebound_index.offset(i) == index.offset(i));
    CHECK_THROWS_AS(repo::PackIndex::parse(as_bytes(body), from, key), DamagedError);
    // And back: what an unsealed one is said to be follows from its place.
    repo::reseal({reinterpret_cast<std::byte*>(body.data()), body.size()}, key, to, from);
    if (!from.sealed() || to.sealed()) CHECK(body == before);
  }
}

TEST_CASE("damage is not carried over to another repository") {
  MemoryRepository one;
  MemoryRepository other;
  const std::string key = repo::pack_key("main", kLabel, 5);
  const std::string good = pack_in(one.repository, key);
  for (std::size_t at = 0; at < good.size(); at += 997) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    INFO("at " << at);
    CHECK(said_by([&] { rebound(bad, key, one.repository, other.repository); }) != "nothing");
  }
  CHECK(said_by([&] { rebound(good.substr(0, 5000), key, one.repository, other.repository); }) !=
        "nothing");
}

TEST_CASE("parts of a manifest and WAL are read in their new place as in the old one") {
  MemoryRepository one;
  MemoryRepository other;
  repo::ManifestHeader header;
  header.label = kLabel;
  header.refs = {{std::string(kLabel), 65536}};
  repo::ManifestWriter manifest(*one.store, one.repository.seal_context(), "main", header);
  Random random(5);
  std::uint64_t files = 0;
  // More than one part: the numbers of its frames go on from the part before.
  while (manifest.stored_bytes() == 0 || files % 100 != 0) {
    repo::ManifestEntry entry;
    entry.path = format("base/{:09}/{}", files++, hex(as_bytes(row_bytes(random, 1500))));
    manifest.add(entry);
  }
  const std::uint32_t parts = manifest.finish();
  REQUIRE(parts > 1);
  const auto codec = compress::make_codec(compress::CodecId::zst, 3);
  const std::string wal = row_bytes(random, 9 << 20);
  one.repository.put_wal("main", kCluster, kSegment, repo::wal_content(as_bytes(wal)), *codec);

  for (const std::string& key : keys(*one.store, "main/")) {
    const std::string before = object(*one.store, key);
    const std::string after = rebound(before, key, one.repository, other.repository);
    CHECK(after.size() == before.size());
    other.store->put(key, as_bytes(after), storage::IfExists::fail);
    CHECK((content(other.repository, key) == content(one.repository, key)));
  }
  repo::ManifestReader reader(*other.store, other.repository.seal_context(), "main",
                              std::string(kLabel), parts);
  std::uint64_t found = 0;
  while (reader.next()) ++found;
  CHECK(found == files);
  CHECK(content(other.repository, repo::wal_key("main", repo::cluster_id(kCluster), kSegment)) ==
        wal);
}

TEST_CASE("keys tell what stands under them") {
  const auto kind = [](const std::string& key) {
    const auto parsed = repo::parse_key(key);
    return parsed ? static_cast<int>(parsed->kind) : -1;
  };
  using repo::ObjectKind;
  const std::string wal = "main/wal/15-7412345678901234567/";
  CHECK(kind("pgcairn.json") == static_cast<int>(ObjectKind::document));
  CHECK(kind(repo::manifest_key("main", kLabel, 3)) == static_cast<int>(ObjectKind::manifest));
  CHECK(kind(repo::pack_key("main", kLabel, 3)) == static_cast<int>(ObjectKind::pack));
  CHECK(kind(wal + "0000000100000000/" + kSegment) == static_cast<int>(ObjectKind::wal));
  CHECK(kind(wal + "0000000100000000/" + kSegment + ".partial") ==
        static_cast<int>(ObjectKind::wal));
  CHECK(kind(wal + "00000002.history") == static_cast<int>(ObjectKind::wal));
  for (const std::string& key :
       {std::string("main"), std::string("main/data/x/pack/3"), wal + kSegment,
        wal + "0000000200000000/" + kSegment, std::string("main/wal/notes.txt")})
    CHECK(kind(key) == -1);
  CHECK(repo::parse_key(repo::pack_key("main", kLabel, 3))->number == 3);
  CHECK(repo::parse_key(wal + "00000002.history")->owner == "15-7412345678901234567");
}
