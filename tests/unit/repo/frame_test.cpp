#include "support/random.hpp"
#include "support/repository.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/frame.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;
using compress::CodecId;

namespace {

const std::string kKey = "main/data/20261121-010203F/pack/00000003";
constexpr CodecId kAll[] = {CodecId::none, CodecId::zst, CodecId::lz4, CodecId::gz};

std::string made(FrameKind kind, CodecId id, std::string_view raw, std::string_view about,
                 std::uint32_t number = 0) {
  const auto codec = compress::make_codec(id, compress::levels_of(id).usual);
  FrameWriter writer(kind, SealContext(kId), kKey, *codec);
  writer.number_from(number);
  Buffer out;
  const std::size_t whole = writer.append(as_bytes(raw), as_bytes(about), out);
  CHECK(whole == out.size());
  CHECK(writer.count() == number + 1);
  return std::string(as_text(out));
}

struct Content {
  std::string about;
  std::string raw;
  bool operator==(const Content&) const = default;
};

Content opened(std::string_view bytes, FrameKind kind, std::uint32_t number = 0,
               std::string_view id = kId, const std::string& key = kKey) {
  FrameReader reader(SealContext(id), key);
  const Frame frame = reader.read(as_bytes(bytes), 0, kind, number);
  Buffer raw;
  reader.open(frame, 0, raw);
  return {std::string(as_text(frame.about)), std::string(as_text(raw))};
}

/// Gives a frame that was changed a check that fits.
std::string resealed(std::string frame) {
  std::memset(frame.data() + 48, 0, 16);
  const crypto::Hash128 check = crypto::hash128(as_bytes(frame));
  std::memcpy(frame.data() + 48, check.data(), check.size());
  return frame;
}

template <class Integer>
std::string with(std::string frame, std::size_t at, Integer value) {
  store_le(reinterpret_cast<std::byte*>(frame.data()) + at, value);
  return resealed(std::move(frame));
}

}  // namespace

TEST_CASE("a frame's bytes stand where the man page says") {
  const std::string frame = made(FrameKind::wal, CodecId::none, "payload!", "{\"file\":1}", 7);
  REQUIRE(frame.size() == 64 + 10 + 8);
  const auto* at = reinterpret_cast<const std::byte*>(frame.data());
  CHECK(load_le<std::uint32_t>(at) == 0x184D2A5C);
  CHECK(load_le<std::uint32_t>(at + 4) == 56 + 10);
  CHECK(frame.substr(8, 4) == "PGCN");
  CHECK(frame.substr(12, 4) == std::string("\x01\x04\x00\x00", 4));
  CHECK(load_le<std::uint32_t>(at + 16) == 7);
  CHECK(load_le<std::uint32_t>(at + 20) == 10);
  CHECK(load_le<std::uint32_t>(at + 24) == 8);
  CHECK(load_le<std::uint32_t>(at + 28) == 8);
  const auto binding = crypto::hash128(as_bytes(std::string(kId) + "\n" + kKey));
  CHECK(frame.substr(32, 16) == as_text(binding));
  CHECK(resealed(frame) == frame);
  CHECK(frame.substr(64) == "{\"file\":1}payload!");
}

TEST_CASE("frames of every kind and codec give back what went in") {
  Random random(seed());
  for (const CodecId id : kAll) {
    for (const auto& [kind, most_raw, most_about] :
         {std::tuple(FrameKind::data, 256 * kKiB, 64 * kKiB),
          std::tuple(FrameKind::manifest, 600 * kKiB, 0 * kKiB),
          std::tuple(FrameKind::wal, 4 * kMiB, 64 * kKiB),
          std::tuple(FrameKind::document, 100 * kKiB, 0 * kKiB)}) {
      for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{most_raw}}) {
        INFO("codec " << int(id) << " kind " << int(kind) << " size " << size);
        const Content content{random_bytes(random, most_about), row_bytes(random, size)};
        CHECK(opened(made(kind, id, content.raw, content.about, 9), kind, 9) == content);
      }
    }
  }
}

TEST_CASE("a frame in which any bit is changed is refused, and named") {
  for (const CodecId id : kAll) {
    const std::string frame = made(FrameKind::data, id, "some rows, some rows, some", "a/b", 2);
    REQUIRE(opened(frame, FrameKind::data, 2).raw == "some rows, some rows, some");
    for (std::size_t bit = 0; bit < frame.size() * 8; ++bit) {
      std::string changed = frame;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
      INFO("codec " << int(id) << " bit " << bit);
      CHECK_THROWS_AS(opened(changed, FrameKind::data, 2), DamagedError);
    }
  }
  CHECK_THAT(error_of([] {
               opened("nothing of the kind, but long enough for a header of a frame, so",
                      FrameKind::data);
             }),
             Says({kKey}));
}

TEST_CASE("a frame that is cut off anywhere is refused") {
  const std::string frame = made(FrameKind::wal, CodecId::zst, std::string(500, 'x'), "{}");
  for (std::size_t size = 0; size < frame.size(); ++size) {
    CHECK_THROWS_AS(opened(frame.substr(0, size), FrameKind::wal), DamagedError);
  }
  // What follows a frame is the next one's.
  CHECK(opened(frame + "more", FrameKind::wal).raw == std::string(500, 'x'));
}

TEST_CASE("a frame is refused where another one belongs") {
  const std::string frame = made(FrameKind::data, CodecId::zst, "raw", "about", 5);
  CHECK(opened(frame, FrameKind::data, 5).raw == "raw");
  CHECK_THAT(error_of([&] { opened(frame, FrameKind::data, 4); }), Says({"frame 5", "frame 4"}));
  CHECK_THAT(error_of([&] { opened(frame, FrameKind::wal, 5); }), Says({"another kind"}));
  CHECK_THAT(error_of([&] { opened(frame, FrameKind::data, 5, kId, kKey + "1"); }),
             Says({"another object"}));
  const std::string other_id = "ff112233445566778899aabbccddeeff";
  CHECK_THAT(error_of([&] { opened(frame, FrameKind::data, 5, other_id); }),
             Says({"another repository"}));
}

TEST_CASE("a frame beyond the format is refused although its check fits") {
  const std::string frame = made(FrameKind::data, CodecId::none, "raw", "about");
  const auto refused = [&](const std::string& changed) {
    return error_of<DamagedError>([&] { opened(changed, FrameKind::data); });
  };
  CHECK_THAT(refused(with<std::uint8_t>(frame, 12, 2)), Says({"version 2"}));
  CHECK_THAT(refused(with<std::uint8_t>(frame, 13, 6)), Says({"beyond their limits"}));
  CHECK_THAT(refused(with<std::uint8_t>(frame, 14, 4)), Says({"codec, 4"}));
  CHECK_THAT(refused(with<std::uint8_t>(frame, 15, 1)), Says({"encrypted"}));
  CHECK_THAT(refused(with<std::uint32_t>(frame, 4, 56)), Says({"beyond their limits"}));
  CHECK_THAT(refused(with<std::uint32_t>(frame, 28, 256 * kKiB + 1)),
             Says({"beyond their limits"}));
  CHECK_FALSE(refused(with<std::uint32_t>(frame, 28, 4)).empty());  // not the payload's size
  CHECK_FALSE(refused(with<std::uint32_t>(frame, 28, 2)).empty());

  std::string long_about = frame.substr(0, 64) + std::string(64 * kKiB + 1, 'a') + "raw";
  long_about = with<std::uint32_t>(long_about, 4, 56 + 64 * kKiB + 1);
  CHECK_THAT(refused(with<std::uint32_t>(long_about, 20, 64 * kKiB + 1)),
             Says({"beyond their limits"}));
  CHECK_THAT(refused(with<std::uint32_t>(frame, 24, UINT32_MAX)), Says({"beyond their limits"}));
}
