#include "support/random.hpp"
#include "support/repository.hpp"
#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/repo/layout.hpp>
#include <pgcairn/repo/manifest.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::repo;
using namespace pgcairn::test;

namespace {

const std::string kId32(kId);
const std::string kName(kLabel);

std::string part_key(std::uint32_t part) {
  return manifest_key("main", kLabel, part);
}

/// Puts lines as one part of a manifest: what no writer of ours would write.
void put_lines(storage::Driver& driver, const std::vector<std::string>& lines,
               std::uint32_t part = 0, std::uint32_t first_frame = 0) {
  const auto codec = compress::make_codec(compress::CodecId::zst, 1);
  FrameWriter writer(FrameKind::manifest, SealContext(kId), part_key(part), *codec);
  writer.number_from(first_frame);
  Buffer body;
  for (const std::string& line : lines) writer.append(as_bytes(line + "\n"), {}, body);
  driver.put(part_key(part), body, storage::IfExists::fail);
}

const std::string kHeader =
    R"({"manifest":1,"label":"20261121-010203F","page-bytes":8192,"refs":[{"backup":)"
    R"("20261121-010203F","frame-bytes":65536}],"defaults":{"mode":"0600","dir-mode":"0700",)"
    R"("user":"postgres","group":"postgres"}})";

/// Reads all of the manifest; the number of its entries.
std::size_t read_all(storage::Driver& driver, std::uint32_t parts = 1) {
  ManifestReader reader(driver, SealContext(kId32), "main", kName, parts);
  std::size_t entries = 0;
  while (reader.next()) ++entries;
  reader.packs();
  return entries;
}

std::size_t read_lines(const std::vector<std::string>& lines) {
  const auto driver = storage::make_memory();
  put_lines(*driver, lines);
  return read_all(*driver);
}

std::string end(int entries, int packs = 0) {
  return format(R"({{"end":{{"entries":{},"packs":{}}}}})", entries, packs);
}

std::string refusal_of_entry(const std::string& entry) {
  return error_of<DamagedError>([&] { read_lines({kHeader, entry, end(1)}); });
}

/// `count` entries whose lines no codec makes small.
void write_many(ManifestWriter& writer, Random& random, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    ManifestEntry entry;
    entry.path = format("base/5/{:06}", i);
    for (int j = 0; j < 8000; ++j) {
      const std::uint64_t length = 1 + below(random, 1'000'000);
      entry.map.push_back({length, 0, std::uint32_t(below(random, 100'000'000)),
                           std::uint32_t(below(random, 16000)),
                           std::uint32_t(below(random, 65536))});
      entry.size_bytes += length;
    }
    writer.add(entry);
  }
}

/// A manifest of more than one part, each of more than one frame.
std::uint32_t put_long(storage::Driver& driver, Random& random) {
  ManifestHeader header;
  header.label = kLabel;
  header.refs = {{kName, 65536}};
  ManifestWriter writer(driver, SealContext(kId32), "main", header);
  write_many(writer, random, 130);
  const std::uint32_t parts = writer.finish();
  REQUIRE(parts > 1);
  std::uint64_t stored = 0;
  driver.list("main/", [&](const storage::Object& found) {
    CHECK(found.size_bytes <= 16 * kMiB);
    stored += found.size_bytes;
  });
  CHECK(writer.stored_bytes() == stored);
  return parts;
}

std::vector<std::string> frames_of(const std::string& part, std::uint32_t number) {
  FrameReader reader(SealContext(kId), part_key(number));
  std::vector<std::string> frames;
  for (std::size_t at = 0; at < part.size(); at += frames.back().size()) {
    const std::string_view rest = std::string_view(part).substr(at);
    frames.emplace_back(rest.substr(0, reader.whole_bytes(as_bytes(rest), at)));
  }
  return frames;
}

}  // namespace

TEST_CASE("lines that keep the rules are read") {
  CHECK(read_lines({kHeader, end(0)}) == 0);
  CHECK(read_lines({kHeader, R"({"path":"base","type":"dir"})",
                    R"({"path":"base/%FFx%25","size":0,"time":-1,"later":[{}]})",
                    R"({"path":"f","size":70000,"time":0,"map":[70000,0,3,16382,0]})",
                    R"({"pack":[0,3],"size":100,"index":[1,2]})", end(3, 1)}) == 3);
}

TEST_CASE("a manifest of many parts comes back, and is refused when any of it is missing") {
  Random random(seed());
  const auto driver = storage::make_memory();
  const std::uint32_t parts = put_long(*driver, random);
  CHECK(read_all(*driver, parts) == 130);

  const auto refused = [&](std::uint32_t count) {
    return error_of<DamagedError>([&] { read_all(*driver, count); });
  };
  // The marker says more parts than there are, or fewer.
  CHECK_THAT(refused(parts + 1), Says({part_key(parts), "missing"}));
  for (std::uint32_t count = 0; count < parts; ++count) CHECK_FALSE(refused(count).empty());

  std::uint32_t frame = 0;
  for (std::uint32_t part = 0; part < parts; ++part) {
    const std::string whole = object(*driver, part_key(part));
    const std::vector<std::string> frames = frames_of(whole, part);
    const auto refused_as = [&](const std::string& bytes) {
      replace(*driver, part_key(part), bytes);
      INFO("part " << part << " as " << bytes.size() << " bytes of " << whole.size());
      CHECK_FALSE(refused(parts).empty());
    };
    driver->remove(std::vector{part_key(part)});
    CHECK_THAT(refused(parts), Says({part_key(part), "missing"}));

    std::string joined;
    for (const std::string& one : frames) {
      // Not at each of them: every try reads the whole manifest.
      if (below(random, frames.size()) < 2) {
        if (!joined.empty()) refused_as(joined);
        refused_as(joined + one.substr(0, below(random, one.size() - 1) + 1));
      }
      joined += one;
    }
    refused_as(joined.substr(0, joined.size() - frames.back().size()));
    if (frames.size() > 1) {
      std::vector<std::string> swapped = frames;
      std::swap(swapped[0], swapped[1]);
      std::string other;
      for (const std::string& one : swapped) other += one;
      refused_as(other);
    }
    refused_as(whole + frames.back());
    for (int i = 0; i < 2; ++i) {
      std::string changed = whole;
      char& byte = changed[below(random, changed.size())];
      byte = static_cast<char>(byte ^ (1 << below(random, 8)));
      refused_as(changed);
    }
    replace(*driver, part_key(part), whole);
    frame += static_cast<std::uint32_t>(frames.size());
  }
  REQUIRE(frame > parts);

  // Parts that change places.
  const std::string first = object(*driver, part_key(0));
  const std::string second = object(*driver, part_key(1));
  replace(*driver, part_key(0), second);
  replace(*driver, part_key(1), first);
  CHECK_FALSE(refused(parts).empty());
  replace(*driver, part_key(0), first);
  replace(*driver, part_key(1), second);
  CHECK(read_all(*driver, parts) == 130);
}

TEST_CASE("a manifest of another backup or repository is refused") {
  const auto driver = storage::make_memory();
  put_lines(*driver, {kHeader, end(0)});
  CHECK(read_all(*driver) == 0);
  const std::string other = "20261122-010203F";
  driver->put(manifest_key("main", other, 0), as_bytes(object(*driver, part_key(0))),
              storage::IfExists::fail);
  CHECK_THROWS_AS(ManifestReader(*driver, SealContext(kId32), "main", other, 1), DamagedError);
  CHECK_THROWS_AS(ManifestReader(*driver, SealContext("ff" + kId32.substr(2)), "main", kName, 1),
                  DamagedError);
}

TEST_CASE("a manifest that lacks lines, or has more than it says, is refused") {
  const std::string entry = R"({"path":"a","type":"dir"})";
  const std::string pack = R"({"pack":[0,3],"size":100,"index":[1,2]})";
  REQUIRE(read_lines({kHeader, entry, pack, end(1, 1)}) == 1);
  for (const std::vector<std::string>& lines : {
           std::vector<std::string>{},
           {kHeader},
           {kHeader, entry},
           {kHeader, entry, pack},
           {kHeader, entry, end(1, 1)},
           {kHeader, pack, end(1, 1)},
           {kHeader, entry, pack, end(2, 1)},
           {kHeader, entry, pack, end(1, 2)},
           {kHeader, entry, pack, end(1, 1), entry},
           {kHeader, entry, pack, end(1, 1), end(1, 1)},
           {kHeader, entry, pack, entry, end(2, 1)},  // an entry among the packs
           {entry, pack, end(1, 1)},
           {kHeader, entry, "", pack, end(1, 1)},
           {kHeader, entry, "[]", pack, end(1, 1)},
           {kHeader, entry, "not JSON", pack, end(1, 1)},
       }) {
    CHECK_FALSE(error_of<DamagedError>([&] { read_lines(lines); }).empty());
  }
}

TEST_CASE("a header that cannot be is refused") {
  const auto with = [&](const std::string& what, const std::string& by) {
    std::string header = kHeader;
    header.replace(header.find(what), what.size(), by);
    return error_of<DamagedError>([&] { read_lines({header, end(0)}); });
  };
  CHECK_THAT(with("\"manifest\":1", "\"manifest\":2"), Says({"version"}));
  CHECK_THAT(with("\"label\":\"20261121-010203F\"", "\"label\":\"20261122-010203F\""),
             Says({"20261122-010203F"}));
  for (const char* bytes : {"0", "8191", "270336", "4294967296", "-8192", "\"65536\""})
    CHECK_FALSE(with("65536", bytes).empty());
  for (const char* mode : {"9", "", "10000", "-1"}) CHECK_FALSE(with("0600", mode).empty());
  CHECK_FALSE(with("\"user\"", "\"nobody\"").empty());
}

TEST_CASE("a path that leads out of the directory that it is joined to is never believed") {
  for (const char* path :
       {"", "/", "//etc", "/etc/", "/..", "/etc/../x", "%2F..", "..", "../x", "a/../b", "a/..", ".",
        "a/./b", "a//b", "a/", "%2E%2E/x", "a%2F..%2Fb", "a%00b", "/a%00b"}) {
    INFO(path);
    CHECK_FALSE(refusal_of_entry(format(R"({{"path":"{}","type":"dir"}})", path)).empty());
  }
  for (const char* path : {"..a", "a..", "...", ".a", "a%5Cb", "%25", "%", "/etc/passwd", "/..a"})
    CHECK(refusal_of_entry(format(R"({{"path":"{}","type":"dir"}})", path)).empty());
}

TEST_CASE("an entry that cannot be is refused") {
  for (const char* rest :
       {R"("type":"socket")", R"("type":7)", R"("type":"link")", R"("time":0)", R"("size":0)",
        R"("size":-1,"time":0)", R"("type":"dir","mode":"888")", R"("type":"dir","mode":"17777")",
        R"("type":"dir","mode":448)", R"("size":0,"time":0,"pages":1)",
        R"("size":0,"time":0,"bad":[4294967296])", R"("size":0,"time":0,"bad":[-1])"}) {
    INFO(rest);
    CHECK_FALSE(refusal_of_entry(format(R"({{"path":"a",{}}})", rest)).empty());
  }
}

TEST_CASE("a map must cover its file, in frames that can be") {
  const auto refusal = [](std::uint64_t size, const std::string& map) {
    return refusal_of_entry(format(R"({{"path":"a","size":{},"time":0,"map":{}}})", size, map));
  };
  CHECK(refusal(0, "[]").empty());
  CHECK(refusal(10, "[4,0,0,0,0,6,0,9,16383,65530]").empty());
  CHECK(refusal(65536ull * 16384, "[1073741824,0,0,0,0]").empty());
  const std::pair<std::uint64_t, const char*> table[] = {
      {10, "[]"},
      {10, "[9,0,0,0,0]"},
      {10, "[11,0,0,0,0]"},
      {10, "[4,0,0,0,0,5,0,0,0,0]"},
      {10, "[4,0,0,0,0,7,0,0,0,0]"},
      {10, "[10,0,0,0,0,0,0,0,0,0]"},  // an extent of nothing
      {0, "[1,0,0,0,0]"},
      {10, "[18446744073709551615,0,0,0,0,11,0,0,0,0]"},  // 10, if sums could wrap
      {10, "[10,0,0,0]"},
      {10, "[10,1,0,0,0]"},  // no such ref
      {10, "[10,4294967296,0,0,0]"},
      {10, "[10,0,4294967296,0,0]"},
      {10, "[10,0,0,16384,0]"},
      {10, "[10,0,0,4294967296,0]"},
      {10, "[10,0,0,0,65536]"},  // begins behind its frame
      {10, "[10,0,0,0,4294967295]"},
      {10, "[10,0,0,16383,65530]"},  // leaves the last frame of a pack
      {65537, "[65537,0,0,16383,0]"},
      {10, "[10,0,0,0,-1]"},
      {10, "[10,0,0,0,0.5]"},
      {10, "\"\""},
  };
  for (const auto& [size, map] : table) {
    INFO(map);
    CHECK_FALSE(refusal(size, map).empty());
  }
  CHECK_FALSE(refusal_of_entry(R"({"path":"a","size":10,"time":0})").empty());
}

TEST_CASE("a pack's line that cannot be is refused") {
  for (const char* line :
       {R"({"pack":[0],"size":1,"index":[1,2]})", R"({"pack":[1,0],"size":1,"index":[1,2]})",
        R"({"pack":[0,4294967296],"size":1,"index":[1,2]})", R"({"pack":[0,0],"index":[1,2]})",
        R"({"pack":[0,0],"size":1,"index":[1]})",
        R"({"pack":[0,0],"size":1,"index":[1,4294967296]})", R"({"size":1,"index":[1,2]})"}) {
    INFO(line);
    CHECK_FALSE(error_of<DamagedError>([&] { read_lines({kHeader, line, end(0, 1)}); }).empty());
  }
}

TEST_CASE("a line that is too long is not written") {
  const auto driver = storage::make_memory();
  ManifestHeader header;
  header.label = kLabel;
  header.refs = {{kName, 65536}};
  ManifestWriter writer(*driver, SealContext(kId32), "main", header);
  ManifestEntry entry;
  entry.path = "base/5/16384";
  for (std::uint32_t i = 0; i < 400'000; ++i) entry.map.push_back({8192, 0, i, i % 16384, 8192});
  CHECK_THAT(error_of([&] { writer.add(entry); }), Says({"4194304"}));
}
