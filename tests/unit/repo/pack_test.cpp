#include "support/random.hpp"
#include "support/repository.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/pack.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;
using compress::CodecId;

namespace {

const std::string kKey = pack_key("main", kLabel, 3);

struct Built {
  std::vector<std::string> raws;
  Pack pack;
  std::string body() const { return std::string(as_text(pack.body)); }
};

Built built(const std::vector<std::string>& raws, CodecId id = CodecId::lz4) {
  const auto codec = compress::make_codec(id, compress::levels_of(id).usual);
  PackBuilder builder(3, SealContext(kId), kKey, *codec, 16 * kMiB, Buffer());
  CHECK(builder.empty());
  for (std::size_t i = 0; i < raws.size(); ++i) {
    CHECK(builder.add(as_bytes(raws[i]), "about " + std::to_string(i)) == i);
  }
  return {raws, builder.finish()};
}

void check_index(const PackIndex& index, const Built& from) {
  REQUIRE(index.frames() == from.raws.size());
  FrameReader reader(SealContext(kId), kKey);
  std::uint64_t end = 0;
  for (std::uint32_t i = 0; i < index.frames(); ++i) {
    const std::string& raw = from.raws[i];
    CHECK(index.offset(i) == end);
    end = index.end(i);
    CHECK(index.raw_bytes(i) == raw.size());
    const Bytes bytes = from.pack.body.bytes().subspan(index.offset(i), end - index.offset(i));
    const Frame frame = reader.read(bytes, index.offset(i), FrameKind::data, i);
    CHECK(frame.whole_bytes == bytes.size());
    CHECK(as_text(frame.about) == "about " + std::to_string(i));
    Buffer out;
    reader.open(frame, index.offset(i), out);
    CHECK(as_text(out) == raw);
    REQUIRE(index.hashes(i).size() == (raw.size() + 8191) / 8192);
    for (std::size_t at = 0, n = 0; at < raw.size(); at += 8192, ++n) {
      CHECK(index.hashes(i)[n] == crypto::hash64(as_bytes(std::string_view(raw).substr(at, 8192))));
    }
  }
  CHECK(end == from.pack.index_offset);
  CHECK(end + from.pack.index_bytes + kPackFooterBytes == from.pack.body.size());
}

PackIndex loaded(std::string_view body, std::uint64_t pack_bytes, std::string_view id = kId) {
  const auto driver = storage::make_memory();
  driver->put(kKey, as_bytes(body), storage::IfExists::fail);
  return PackIndex::load(*driver, SealContext(id), kKey, pack_bytes);
}

}  // namespace

TEST_CASE("the index of a pack finds every frame and hash") {
  Random random(seed());
  for (const CodecId id : {CodecId::none, CodecId::zst, CodecId::lz4, CodecId::gz}) {
    std::vector<std::string> raws;
    for (std::size_t size :
         {std::size_t{1}, std::size_t{8191}, std::size_t{8192}, std::size_t{8193},
          std::size_t{256 * kKiB}, std::size_t{below(random, 100'000) + 1}}) {
      raws.push_back(row_bytes(random, size));
    }
    const Built pack = built(raws, id);
    CHECK(pack.pack.number == 3);
    check_index(PackIndex::parse(pack.pack.body, SealContext(kId), kKey), pack);
    check_index(loaded(pack.body(), pack.pack.body.size()), pack);
  }
}

TEST_CASE("a pack takes frames until it has its target's bytes or the most frames") {
  const auto codec = compress::make_codec(CodecId::none);
  PackBuilder by_bytes(0, SealContext("id"), "key", *codec, 1000, Buffer());
  CHECK_FALSE(by_bytes.full());
  by_bytes.add(as_bytes(std::string(1000 - 64 - 1, 'x')), "");
  CHECK_FALSE(by_bytes.full());
  by_bytes.add(as_bytes("x"), "");
  CHECK(by_bytes.full());

  std::vector<std::string> raws(kMostPackFrames, "r");
  PackBuilder by_frames(0, SealContext("id"), "key", *codec, kMostPackBytes, Buffer());
  for (const std::string& raw : raws) {
    REQUIRE_FALSE(by_frames.full());
    by_frames.add(as_bytes(raw), "");
  }
  CHECK(by_frames.full());

  // The index of so many frames is longer than the tail that is read first.
  const Built pack = built(raws, CodecId::none);
  REQUIRE(pack.pack.index_bytes > 256 * kKiB);
  CHECK(loaded(pack.body(), pack.pack.body.size()).frames() == kMostPackFrames);
}

TEST_CASE("a pack whose footer or index is changed by any bit is refused") {
  const Built pack = built({"first", std::string(9000, 'x')});
  const std::string body = pack.body();
  for (std::size_t bit = pack.pack.index_offset * 8; bit < body.size() * 8; ++bit) {
    std::string changed = body;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    INFO("bit " << bit);
    CHECK_THROWS_AS(PackIndex::parse(as_bytes(changed), SealContext(kId), kKey), DamagedError);
    CHECK_THROWS_AS(loaded(changed, changed.size()), DamagedError);
  }
}

TEST_CASE("a pack that is cut off, too long, missing or another's is refused") {
  const Built pack = built({"first", "second"});
  const std::string body = pack.body();
  for (std::size_t size = 0; size < body.size(); ++size) {
    CHECK_THROWS_AS(PackIndex::parse(as_bytes(body.substr(0, size)), SealContext(kId), kKey),
                    DamagedError);
    CHECK_THROWS_AS(loaded(body.substr(0, size), body.size()), DamagedError);
    CHECK_THROWS_AS(loaded(body.substr(0, size), size), DamagedError);
  }
  CHECK_THROWS_AS(loaded(body + "x", body.size() + 1), DamagedError);
  CHECK_THROWS_AS(loaded(body, body.size(), "ff112233445566778899aabbccddeeff"), DamagedError);
  CHECK_THROWS_AS(PackIndex::parse(as_bytes(body), SealContext(kId), pack_key("main", kLabel, 4)),
                  DamagedError);

  const auto empty = storage::make_memory();
  CHECK_THAT(
      error_of<DamagedError>([&] { PackIndex::load(*empty, SealContext(kId), kKey, body.size()); }),
      Says({kKey, "missing"}));
  const auto faulty = storage::with_faults(
      storage::make_memory(),
      [](std::string_view, std::string_view) { throw TransientError("no route to host"); });
  CHECK_THROWS_AS(PackIndex::load(*faulty, SealContext(kId), kKey, body.size()), TransientError);
}

TEST_CASE("an index that does not add up is refused although its check fits") {
  const auto codec = compress::make_codec(CodecId::none);
  const auto with_index = [&](std::vector<std::uint32_t> words, std::vector<std::uint64_t> hashes) {
    Buffer body;
    FrameWriter writer(FrameKind::data, SealContext(kId), kKey, *codec);
    writer.append(as_bytes("raw"), {}, body);
    const std::uint64_t offset = body.size();
    Buffer about;
    about.append(std::as_bytes(std::span(words)));
    about.append(std::as_bytes(std::span(hashes)));
    writer.append_about(FrameKind::pack_index, about, body);
    std::array<std::byte, 32> footer{};
    store_le(footer.data(), kSkippableFooter);
    store_le(footer.data() + 4, std::uint32_t{24});
    std::memcpy(footer.data() + 8, "PGCE", 4);
    store_le(footer.data() + 12, std::uint32_t{1});
    store_le(footer.data() + 16, offset);
    store_le(footer.data() + 24, crypto::hash64(Bytes(footer).first(24)));
    body.append(footer);
    return PackIndex::parse(body, SealContext(kId), kKey).frames();
  };
  const std::uint64_t hash = 1;
  CHECK(with_index({1, 67, 3}, {hash}) == 1);
  CHECK_THROWS_AS(with_index({2, 67, 3, 67, 3}, {hash, hash}), DamagedError);
  CHECK_THROWS_AS(with_index({1, 66, 3}, {hash}), DamagedError);
  CHECK_THROWS_AS(with_index({1, 67, 8193}, {hash}), DamagedError);
  CHECK_THROWS_AS(with_index({1, 67, UINT32_MAX}, {hash}), DamagedError);
  CHECK_THROWS_AS(with_index({1, 67, 3}, {hash, hash}), DamagedError);
  CHECK_THROWS_AS(with_index({1, 67}, {}), DamagedError);
  CHECK_THROWS_AS(with_index({}, {}), DamagedError);
}

TEST_CASE("what a frame says of its pieces comes back") {
  Random random(seed());
  for (int round = 0; round < 200; ++round) {
    std::vector<Piece> pieces(below(random, 5));
    for (Piece& piece : pieces) {
      piece.path = random_bytes(random, below(random, 300));
      piece.runs.resize(below(random, 4));
      for (Run& run : piece.runs)
        run = {random() >> below(random, 64), random() >> below(random, 64)};
    }
    const std::string about = write_pieces(pieces);
    const std::vector<Piece> back = read_pieces(as_bytes(about), "object", 0);
    REQUIRE(back.size() == pieces.size());
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      CHECK(back[i].path == pieces[i].path);
      REQUIRE(back[i].runs.size() == pieces[i].runs.size());
      for (std::size_t j = 0; j < back[i].runs.size(); ++j) {
        CHECK(back[i].runs[j].offset_bytes == pieces[i].runs[j].offset_bytes);
        CHECK(back[i].runs[j].length_bytes == pieces[i].runs[j].length_bytes);
      }
    }
  }
  // Whatever bytes it gets, it reads or refuses.
  for (int round = 0; round < 5000; ++round) {
    const std::string noise = random_bytes(random, below(random, 40));
    try {
      read_pieces(as_bytes(noise), "object", 0);
    } catch (const DamagedError&) {
    }
  }
  CHECK_THROWS_AS(read_pieces(as_bytes("\x01p\xff\xff\xff\x7f"), "object", 0), DamagedError);
}
