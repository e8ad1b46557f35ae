#include "engine/restore/local_files.hpp"

#include "support/random.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/text.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using Local = RestoreBatch::File::Local;

namespace {

constexpr std::uint32_t kUnit = 8192;

/// Of a pack with `content` in frames of `frame_bytes`, the last one shorter.
repo::PackIndex index_of(const std::string& content, std::size_t frame_bytes) {
  const auto codec = compress::make_codec(compress::CodecId::none, 0);
  repo::PackBuilder builder(0, repo::SealContext("id"), "key", *codec, kMiB, Buffer());
  for (std::size_t at = 0; at < content.size(); at += frame_bytes)
    builder.add(as_bytes(content.substr(at, frame_bytes)), "");
  return repo::PackIndex::parse(builder.finish().body, repo::SealContext("id"), "key");
}

repo::ManifestEntry entry_of(const std::string& content, std::uint32_t mode = 0600) {
  repo::ManifestEntry entry;
  entry.path = "file";
  entry.size_bytes = content.size();
  entry.mode = mode;
  entry.pages = true;
  entry.map = {{content.size(), 0, 0, 0, 0}};
  return entry;
}

struct Compared {
  RestoreBatch batch{kMiB};
  std::uint64_t read_bytes = 0;
};
void compare(Compared& compared, const repo::ManifestEntry& entry,
             const std::filesystem::path& folder) {
  NoProgress progress;
  compared.batch.add(entry, entry.mode);
  const Beneath root(folder);
  LocalFiles local(
      compared.batch,
      [&](const RestoreBatch::File& file) {
        return OpenPlace{root, file.path};
      },
      [](const Fd&, const RestoreBatch::File&, const std::filesystem::path&) {}, progress);
  compared.read_bytes = local.compare(2, {});
}

/// "offset+length" of each part that differs.
std::string shown(const std::vector<FramePart>& parts) {
  std::string text;
  for (const FramePart& part : parts)
    text += format("{}{}+{}", text.empty() ? "" : " ", part.file_offset_bytes, part.length_bytes);
  return text;
}

}  // namespace

TEST_CASE("units that are right on disk are not asked for", "[restore][delta]") {
  test::Random random(test::seed());
  test::TempDir folder(test::TempDir::Where::memory);
  const std::string content = test::random_bytes(random, 4 * kUnit + 100);
  const repo::PackIndex index =
      index_of(content, 2 * kUnit);  // frames of two units, the last of 100
  const std::vector<FramePart> all = {
      {0, 0, 2 * kUnit, 0, 0}, {1, 0, 2 * kUnit, 0, 2 * kUnit}, {2, 0, 100, 0, 4 * kUnit}};
  std::string local = content;
  std::string expected;
  std::uint64_t size_after = content.size();
  SECTION("the same") {}
  SECTION("one byte in one unit") {
    local[kUnit + 5] ^= 1;
    expected = "8192+8192";
  }
  SECTION("units in a row, within one frame and beyond") {
    local[2 * kUnit] ^= 1;
    local[4 * kUnit - 1] ^= 1;
    local[4 * kUnit] ^= 1;
    expected = "16384+16384 32768+100";
  }
  SECTION("too short: what ends early is no unit") {
    local.resize(4 * kUnit + 99);
    size_after = local.size();
    expected = "32768+100";
  }
  SECTION("much too short") {
    local.resize(kUnit + 10);
    size_after = local.size();
    expected = "8192+8192 16384+16384 32768+100";
  }
  SECTION("too long") {
    local += "more";
  }
  SECTION("empty") {
    local.clear();
    size_after = 0;
    expected = "0+16384 16384+16384 32768+100";
  }
  write_file_atomically(folder / "file", as_bytes(local));
  Compared compared;
  compare(compared, entry_of(content), folder.path());
  CHECK(compared.batch.files[0].local == Local::hashed);
  CHECK(shown(different_parts(compared.batch, all, index)) == expected);
  CHECK(std::filesystem::file_size(folder / "file") == size_after);
  CHECK(compared.read_bytes <= content.size());
}

TEST_CASE("what has no hash of its own is always asked for", "[restore][delta]") {
  test::Random random(test::seed());
  test::TempDir folder(test::TempDir::Where::memory);
  const std::string content = test::random_bytes(random, 2 * kUnit);
  write_file_atomically(folder / "file", as_bytes(content));
  Compared compared;
  compare(compared, entry_of(content), folder.path());
  // The pack has something before the file, so that no hash covers one of its units alone.
  const repo::PackIndex index = index_of("before" + content, 4 * kUnit);
  CHECK(shown(different_parts(compared.batch, {{0, 6, 2 * kUnit, 0, 0}}, index)) == "0+16384");
  // What follows in the frame is another file's: the hash of the last unit covers both.
  const std::string half = content.substr(0, kUnit / 2);
  const repo::PackIndex shared = index_of(content, 4 * kUnit);
  Compared short_file;
  compare(short_file, entry_of(half), folder.path());
  CHECK(shown(different_parts(short_file.batch, {{0, 0, kUnit / 2, 0, 0}}, shared)) == "0+4096");
}

TEST_CASE("files whose hash the manifest has stay or go as a whole", "[restore][delta]") {
  test::TempDir folder(test::TempDir::Where::memory);
  const std::string content(5000, 'x');
  repo::ManifestEntry entry = entry_of(content);
  entry.pages = false;
  entry.hash = hex(crypto::hash128(as_bytes(content)));
  std::string local = content;
  bool stays = false;
  bool other_name = false;
  SECTION("the same") {
    stays = true;
  }
  SECTION("other content") {
    local[4999] = 'y';
  }
  SECTION("longer") {
    local += 'x';
  }
  SECTION("with another name") {
    other_name = true;
  }
  write_file_atomically(folder / "file", as_bytes(local));
  if (other_name) std::filesystem::create_hard_link(folder / "file", folder / "other");
  Compared compared;
  compare(compared, entry, folder.path());
  CHECK((compared.batch.files[0].local == Local::same) == stays);
  CHECK(std::filesystem::exists(folder / "file") == stays);
  CHECK(compared.batch.by_pack().size() == (stays ? 0U : 1U));
}
