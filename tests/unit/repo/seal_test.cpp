#include "support/repository.hpp"
#include "support/says.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/document.hpp>
#include <pgcairn/repo/frame.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/manifest.hpp>
#include <pgcairn/repo/pack.hpp>

#include <cstring>
#include <memory>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;

namespace {

constexpr std::string_view kKey = "main/data/20261121-010203F/pack/00000003";
constexpr std::string_view kOther = "main/data/20261121-010203F/pack/00000004";

SealContext sealed(std::string_view id = kId, char fill = 'k') {
  return SealContext(id,
                     std::make_shared<const crypto::SecretBytes>(as_bytes(std::string(32, fill))));
}

std::string frame_of(FrameWriter& writer, std::string_view raw, std::string_view about = "") {
  Buffer out;
  writer.append(as_bytes(raw), as_bytes(about), out);
  return std::string(as_text(out));
}

/// A frame by itself, number 0.
std::string made(const SealContext& seal_context, std::string_view raw,
                 std::string_view about = "about", std::string_view key = kKey) {
  const auto codec = compress::make_codec(compress::CodecId::zst, 1);
  FrameWriter writer(FrameKind::data, seal_context, key, *codec);
  return frame_of(writer, raw, about);
}

std::string opened(FrameReader& reader, std::string_view bytes, std::uint32_t number = 0,
                   FrameKind kind = FrameKind::data) {
  const Frame frame = reader.read(as_bytes(bytes), 0, kind, number);
  Buffer raw;
  reader.open(frame, 0, raw);
  return std::string(as_text(frame.about)) + ":" + std::string(as_text(raw));
}

std::string opened(const SealContext& seal_context, std::string_view bytes,
                   std::string_view key = kKey) {
  FrameReader reader(seal_context, std::string(key));
  return opened(reader, bytes);
}

std::string refusal(const SealContext& seal_context, std::string_view bytes,
                    std::string_view key = kKey) {
  return error_of<DamagedError>([&] { opened(seal_context, bytes, key); });
}

/// A pack of three frames.
Pack pack_of(const SealContext& seal_context, char fill, std::string_view key = kKey) {
  const auto codec = compress::make_codec(compress::CodecId::none, 0);
  PackBuilder builder(3, seal_context, key, *codec, 16 * kMiB, Buffer());
  for (int i = 0; i < 3; ++i) builder.add(as_bytes(std::string(8192, fill)), "");
  return builder.finish();
}

}  // namespace

TEST_CASE("a sealed frame comes back, shows nothing, and is as long as an unsealed one") {
  const std::string raw = "what nobody else may read, what nobody else may read";
  const std::string about = "base/5/16384";
  const std::string frame = made(sealed(), raw, about);
  CHECK(opened(sealed(), frame) == about + ":" + raw);
  CHECK(frame.size() == made(SealContext(kId), raw, about).size());
  CHECK(frame.find("base/5") == std::string::npos);
  CHECK(frame.find("nobody") == std::string::npos);
  CHECK(frame != made(sealed(), raw, about));  // another binding, another key
}

TEST_CASE("a sealed frame of which any bit was turned is refused") {
  const std::string frame = made(sealed(), "content");
  for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
    std::string changed = frame;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    INFO("bit " << bit);
    CHECK_FALSE(refusal(sealed(), changed).empty());
  }
}

TEST_CASE("a sealed frame is refused at another key, in another repository, under another key") {
  const std::string frame = made(sealed(), "content");
  const Says broken({"authentication fails", "offset 0"});
  CHECK_THAT(refusal(sealed(), frame, kOther), broken);
  CHECK_THAT(refusal(sealed("ff112233445566778899aabbccddeeff"), frame), broken);
  CHECK_THAT(refusal(sealed(kId, 'x'), frame), broken);
}

TEST_CASE("a repository that is sealed believes nothing that is not, nor the other way round") {
  CHECK_THAT(refusal(sealed(), made(SealContext(kId), "planted")),
             Says({"the frame is not encrypted, but the repository is"}));
  CHECK_FALSE(refusal(SealContext(kId), made(sealed(), "content")).empty());
}

TEST_CASE("sealed frames cannot change places in their object") {
  const auto codec = compress::make_codec(compress::CodecId::none, 0);
  FrameWriter writer(FrameKind::data, sealed(), kKey, *codec);
  const std::string first = frame_of(writer, "first");
  std::string second = frame_of(writer, "second");
  FrameReader reader(sealed(), std::string(kKey));
  CHECK(opened(reader, first, 0) == ":first");
  CHECK(opened(reader, second, 1) == ":second");
  CHECK_THROWS_AS(opened(reader, second, 0), DamagedError);
  CHECK_THROWS_AS(opened(reader, first, 0, FrameKind::wal), DamagedError);
  store_le(reinterpret_cast<std::byte*>(second.data()) + 16, std::uint32_t{0});
  CHECK_THROWS_AS(opened(reader, second, 0), DamagedError);
}

TEST_CASE("a frame of an object that stood under the same key before is refused") {
  const auto codec = compress::make_codec(compress::CodecId::none, 0);
  FrameWriter before(FrameKind::data, sealed(), kKey, *codec);
  FrameWriter now(FrameKind::data, sealed(), kKey, *codec);
  frame_of(before, "old 0");
  const std::string old_frame = frame_of(before, "old 1");
  const std::string new_frame = frame_of(now, "new 0");
  FrameReader reader(sealed(), std::string(kKey));
  CHECK(opened(reader, new_frame, 0) == ":new 0");
  CHECK_THAT(error_of<DamagedError>([&] { opened(reader, old_frame, 1); }),
             Says({"an earlier object of this name"}));
  // Where it is told which object it has to be, the first frame counts, too.
  FrameReader pinned(sealed(), std::string(kKey), now.seal());
  CHECK_THROWS_AS(opened(pinned, old_frame, 1), DamagedError);
  CHECK(opened(pinned, new_frame, 0) == ":new 0");
}

TEST_CASE("damage in the first frame of an object is not taken for the object's binding") {
  const auto codec = compress::make_codec(compress::CodecId::none, 0);
  FrameWriter writer(FrameKind::data, sealed(), kKey, *codec);
  std::string first = frame_of(writer, "first");
  const std::string second = frame_of(writer, "second");
  first[33] = static_cast<char>(first[33] ^ 1);
  FrameReader reader(sealed(), std::string(kKey));
  CHECK_THROWS_AS(opened(reader, first, 0), DamagedError);
  CHECK(opened(reader, second, 1) == ":second");
}

TEST_CASE("a pack in the place of a later one is refused where the manifest tells which it is") {
  const Pack old_pack = pack_of(sealed(), 'o');
  const Pack new_pack = pack_of(sealed(), 'n');
  REQUIRE(old_pack.body.size() == new_pack.body.size());
  const std::string key(kKey);
  CHECK(PackIndex::parse(new_pack.body, sealed(), key, new_pack.seal).frames() == 3);
  CHECK(PackIndex::parse(new_pack.body, sealed(), key).seal() == new_pack.seal);
  CHECK_THROWS_AS(PackIndex::parse(old_pack.body, sealed(), key, new_pack.seal), DamagedError);
  const auto driver = storage::make_memory();
  driver->put(key, old_pack.body, storage::IfExists::fail);
  CHECK_THROWS_AS(PackIndex::load(*driver, sealed(), key, old_pack.body.size(),
                                  PackIndex::kTailBytes, new_pack.seal),
                  DamagedError);
}

TEST_CASE("the same content sealed twice is two packs, since a manifest names one of them") {
  const auto index = [](const Pack& pack, const SealContext& seal_context) {
    return PackIndex::parse(pack.body, seal_context, std::string(kKey));
  };
  const Pack one = pack_of(sealed(), 'x');
  const Pack other = pack_of(sealed(), 'x');
  const Pack plain = pack_of(SealContext(kId), 'x');
  CHECK(index(one, sealed()) == index(one, sealed()));
  CHECK_FALSE(index(one, sealed()) == index(other, sealed()));
  CHECK(index(one, sealed()) ==
        index(plain, SealContext(kId)));  // what is not sealed has no binding
}

TEST_CASE("a sealed pack shows none of its hashes") {
  const Pack pack = pack_of(sealed(), 'n');
  std::array<std::byte, 8> hash{};
  store_le(hash.data(), crypto::hash64(as_bytes(std::string(8192, 'n'))));
  CHECK(as_text(pack_of(SealContext(kId), 'n').body).find(as_text(hash)) != std::string_view::npos);
  CHECK(as_text(pack.body).find(as_text(hash)) == std::string_view::npos);
}

TEST_CASE("a sealed document comes back, and neither a plain nor a moved one is believed") {
  const auto driver = storage::make_memory();
  const std::string key = "main/backup/20261121-010203F.json";
  const std::string moved = "main/backup/20261122-010203F.json";
  CHECK(put_document(*driver, sealed(), key, R"({"label":"x"})", storage::IfExists::fail));
  CHECK_FALSE(put_document(*driver, sealed(), key, "{}", storage::IfExists::keep));
  CHECK(get_document(*driver, sealed(), key) == R"({"label":"x"})");
  CHECK(object(*driver, key).find("label") == std::string::npos);
  driver->put(moved, as_bytes(object(*driver, key)), storage::IfExists::fail);
  CHECK_THROWS_AS(get_document(*driver, sealed(), moved), DamagedError);
  replace(*driver, key, object(*driver, key) + "x");
  CHECK_THAT(error_of<DamagedError>([&] { get_document(*driver, sealed(), key); }),
             Says({"bytes follow the end"}));
  driver->remove({&key, 1});
  put_document(*driver, SealContext(kId), key, R"({"label":"planted"})", storage::IfExists::fail);
  CHECK_THROWS_AS(get_document(*driver, sealed(), key), DamagedError);
}

TEST_CASE("a manifest whose parts are not the marker's is refused") {
  const auto driver = storage::make_memory();
  const auto write = [&](std::string_view path) {
    ManifestHeader header;
    header.label = kLabel;
    header.refs = {{header.label, 131072}};
    ManifestWriter writer(*driver, sealed(), "main", header);
    ManifestEntry entry;
    entry.path = path;
    entry.type = EntryType::directory;
    writer.add(entry);
    writer.add({0, 0, 1, 0, 0, Binding{std::byte{7}}});
    CHECK(writer.finish() == 1);
    return writer.seals();
  };
  const auto read = [&](const std::vector<Binding>& seals) {
    ManifestReader reader(*driver, sealed(), "main", std::string(kLabel), 1, seals);
    const std::string path = reader.next()->path;
    CHECK_FALSE(reader.next());
    CHECK(reader.packs().at(0).seal == Binding{std::byte{7}});
    return path;
  };
  const std::string key = manifest_key("main", kLabel, 0);
  const auto old_seals = write("old");
  const std::string old_part = object(*driver, key);
  driver->remove({&key, 1});
  const auto seals = write("new");
  CHECK(read(seals) == "new");
  CHECK(read({}) ==
        "new");  // a copy of what was not sealed names none; the marker is sealed itself
  CHECK_THROWS_AS(read(old_seals), DamagedError);
  CHECK_THROWS_AS(read({seals.front(), seals.front()}), DamagedError);
  replace(*driver, key, old_part);
  CHECK_THROWS_AS(read(seals), DamagedError);
}
