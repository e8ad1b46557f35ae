#include "support/random.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/compress/codec.hpp>

#include <cstdlib>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::compress;

namespace {

constexpr CodecId kAll[] = {CodecId::none, CodecId::zst, CodecId::lz4, CodecId::gz};

std::string compressed(Codec& codec, std::string_view raw) {
  Buffer out;
  codec.compress(as_bytes(raw), out);
  return std::string(as_text(out));
}

std::string decompressed(Codec& codec, std::string_view block, std::size_t raw_size) {
  Buffer out(raw_size);
  codec.decompress(as_bytes(block), out.writable());
  return std::string(as_text(out));
}

/// What went wrong; empty when nothing did.
std::string error_when_decompressing(Codec& codec, std::string_view block, std::size_t raw_size) {
  Buffer out(raw_size);
  try {
    codec.decompress(as_bytes(block), out.writable());
  } catch (const Error& error) {
    return error.message();
  }
  return {};
}

}  // namespace

TEST_CASE("codecs have the names and numbers that repositories hold") {
  CHECK(static_cast<int>(CodecId::none) == 0);
  CHECK(static_cast<int>(CodecId::zst) == 1);
  CHECK(static_cast<int>(CodecId::lz4) == 2);
  CHECK(static_cast<int>(CodecId::gz) == 3);
  CHECK(name_of(CodecId::none) == "none");
  CHECK(name_of(CodecId::zst) == "zst");
  CHECK(name_of(CodecId::lz4) == "lz4");
  CHECK(name_of(CodecId::gz) == "gz");
  for (const CodecId id : kAll) {
    CHECK(parse_codec(name_of(id)) == id);
    const LevelRange levels = levels_of(id);
    CHECK(levels.least <= levels.usual);
    CHECK(levels.usual <= levels.most);
    CHECK(make_codec(id)->id() == id);
  }
  for (const char* name : {"", "ZST", "zstd", "bz2", "zst "}) CHECK_FALSE(parse_codec(name));
}

TEST_CASE("codecs give back what they were given, of every size, with one state") {
  const CodecId id = GENERATE(CodecId::none, CodecId::zst, CodecId::lz4, CodecId::gz);
  INFO(name_of(id));
  test::Random random(test::seed());
  const auto writer = make_codec(id, levels_of(id).usual);
  const auto reader = make_codec(id);
  for (const std::size_t size :
       {0ul, 1ul, 8191ul, 8192ul, 65536ul, 65537ul, 131072ul, 262145ul, 5ul * kMiB, 100ul}) {
    for (const std::string& raw : {test::row_bytes(random, size), test::random_bytes(random, size),
                                   std::string(size, '\0')}) {
      INFO(size << " bytes");
      const std::string block = compressed(*writer, raw);
      REQUIRE(block.size() <= writer->bound(size));
      REQUIRE((decompressed(*reader, block, size) == raw));
    }
  }
}

TEST_CASE("codecs work at every level they name") {
  const CodecId id = GENERATE(CodecId::none, CodecId::zst, CodecId::lz4, CodecId::gz);
  test::Random random(test::seed());
  const std::string raw = test::row_bytes(random, 131072);
  const auto reader = make_codec(id);
  for (int level = levels_of(id).least; level <= levels_of(id).most; ++level) {
    INFO(name_of(id) << " at level " << level);
    const auto codec = make_codec(id, level);
    const std::string block = compressed(*codec, raw);
    CHECK(block.size() <= codec->bound(raw.size()));
    if (id != CodecId::none) CHECK(block.size() < raw.size() / 2);
    CHECK((decompressed(*reader, block, raw.size()) == raw));
  }
}

TEST_CASE("compress appends") {
  for (const CodecId id : kAll) {
    const auto codec = make_codec(id);
    Buffer out;
    out.append(as_bytes("header"));
    codec->compress(as_bytes("first"), out);
    const std::size_t end_of_first = out.size();
    codec->compress(as_bytes("the second"), out);
    const std::string_view all = as_text(out);
    CHECK(all.substr(0, 6) == "header");
    CHECK(decompressed(*codec, all.substr(6, end_of_first - 6), 5) == "first");
    CHECK(decompressed(*codec, all.substr(end_of_first), 10) == "the second");
  }
}

TEST_CASE("a block of another size than expected is refused") {
  test::Random random(test::seed());
  const std::string raw = test::row_bytes(random, 70'000);
  for (const CodecId id : kAll) {
    const auto codec = make_codec(id);
    const std::string block = compressed(*codec, raw);
    for (const std::size_t size : {0ul, 1ul, 65536ul, 69'999ul, 70'001ul, 140'000ul}) {
      INFO(name_of(id) << " into " << size);
      CHECK_THAT(error_when_decompressing(*codec, block, size),
                 Catch::StartsWith(format("cannot decompress a {} block: ", name_of(id))));
    }
    CHECK_FALSE(error_when_decompressing(*codec, block + "x", raw.size()).empty());
    CHECK_FALSE(error_when_decompressing(*codec, "", raw.size()).empty());
    CHECK((decompressed(*codec, block, raw.size()) == raw));
  }
  for (const CodecId id : {CodecId::zst, CodecId::lz4, CodecId::gz}) {
    CHECK_FALSE(error_when_decompressing(*make_codec(id), "", 0).empty());
  }
}

TEST_CASE("every truncated block is refused") {
  test::Random random(test::seed());
  const std::string raw = test::row_bytes(random, 8192);
  for (const CodecId id : kAll) {
    const auto codec = make_codec(id);
    const std::string block = compressed(*codec, raw);
    for (std::size_t length = 0; length < block.size(); ++length) {
      INFO(name_of(id) << " cut to " << length);
      REQUIRE_FALSE(error_when_decompressing(*codec, block.substr(0, length), raw.size()).empty());
    }
  }
}

TEST_CASE("damaged blocks throw or give wrong bytes, and harm nothing else") {
  test::Random random(test::seed());
  const std::string raw = test::row_bytes(random, 8192);
  for (const CodecId id : kAll) {
    const auto codec = make_codec(id);
    const std::string block = compressed(*codec, raw);
    std::size_t noticed = 0;
    for (std::size_t at = 0; at < block.size(); ++at) {
      std::string damaged = block;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << test::below(random, 8)));
      noticed += !error_when_decompressing(*codec, damaged, raw.size()).empty();
      damaged[at] = static_cast<char>(random());
      error_when_decompressing(*codec, damaged, raw.size());
    }
    INFO(name_of(id));
    if (id == CodecId::gz) CHECK(noticed >= block.size() - 10);  // a few header bits mean nothing
    for (int i = 0; i < 2000; ++i) {
      const std::string noise = test::random_bytes(random, test::below(random, 200));
      error_when_decompressing(*codec, block.substr(0, test::below(random, 20)) + noise, 8192);
    }
    REQUIRE((decompressed(*codec, block, raw.size()) == raw));
  }
}

TEST_CASE("zst blocks hold their size, no checksum, and read as one stream") {
  const auto codec = make_codec(CodecId::zst);
  test::Random random(test::seed());
  const std::string first = test::row_bytes(random, 131072);
  const std::string second = test::row_bytes(random, 5000);
  const std::string block = compressed(*codec, first);
  // RFC 8878 section 3.1.1.1: magic, then the descriptor: size flag (2 bits), single segment,
  // unused, reserved, checksum flag, dictionary (2 bits); then the size.
  CHECK(hex(as_bytes(block.substr(0, 4))) == "28b52ffd");
  const auto descriptor = static_cast<unsigned char>(block[4]);
  CHECK((descriptor & 0x04) == 0);
  CHECK((descriptor >> 6) == 2);
  CHECK((descriptor & 0x20) != 0);
  CHECK(load_le<std::uint32_t>(as_bytes(block).data() + 5) == 131072);
  const std::string both = block + compressed(*codec, second);
  CHECK((decompressed(*codec, both, first.size() + second.size()) == first + second));
}

TEST_CASE("standard tools read the blocks") {
  const test::TempDir directory;
  test::Random random(test::seed());
  const std::string first = test::row_bytes(random, 131072);
  const std::string second = test::random_bytes(random, 300'000);
  struct Row {
    CodecId id;
    const char* tool;
  };
  for (const Row& row :
       {Row{CodecId::zst, "zstd"}, Row{CodecId::lz4, "lz4"}, Row{CodecId::gz, "gzip"}}) {
    if (std::system(format("command -v {} >/dev/null", row.tool).c_str()) != 0) {
      WARN("skipped: " << row.tool << " is not installed");
      continue;
    }
    const auto codec = make_codec(row.id);
    const fs::path in = directory / "in";
    const fs::path out = directory / "out";
    write_file_atomically(in, as_bytes(compressed(*codec, first) + compressed(*codec, second)));
    INFO(row.tool);
    REQUIRE(std::system(format("{} -dc <{} >{}", row.tool, in.native(), out.native()).c_str()) ==
            0);
    CHECK((as_text(read_file(out)) == first + second));
  }
}
