#include "engine/backup/pack_writer.hpp"

#include "support/random.hpp"
#include "support/repository.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/repo/file_map.hpp>
#include <pgcairn/repo/layout.hpp>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;
using repo::Extent;

namespace {

std::vector<std::array<std::uint64_t, 5>> numbers(const std::vector<Extent>& map) {
  std::vector<std::array<std::uint64_t, 5>> rows;
  for (const Extent& extent : map)
    rows.push_back(
        {extent.length_bytes, extent.ref, extent.pack, extent.frame, extent.offset_bytes});
  return rows;
}

}  // namespace

TEST_CASE("an extent goes on where the last one ended, and only there") {
  const struct {
    Extent first;
    Extent second;
    bool joined;
  } table[] = {
      {{100, 0, 0, 0, 0}, {50, 0, 0, 0, 100}, true},      // in one frame
      {{100, 0, 0, 0, 0}, {50, 0, 0, 0, 101}, false},     // a hole
      {{100, 0, 0, 0, 50}, {50, 0, 0, 0, 100}, false},    // over each other
      {{65536, 0, 0, 0, 0}, {10, 0, 0, 1, 0}, true},      // from a full frame to the next
      {{65530, 0, 0, 7, 6}, {65536, 0, 0, 8, 0}, true},   // begun inside of it
      {{200000, 0, 0, 0, 0}, {10, 0, 0, 3, 3392}, true},  // after many frames
      {{65535, 0, 0, 0, 0}, {10, 0, 0, 1, 0}, false},     // the first one may be short
      {{65536, 0, 0, 0, 0}, {10, 0, 0, 2, 0}, false},     // a frame is left out
      {{65536, 0, 0, 0, 0}, {10, 0, 0, 1, 1}, false},     // begins inside the next
      {{65536, 0, 0, 0, 0}, {10, 0, 1, 1, 0}, false},     // another pack
      {{65536, 0, 0, 0, 0}, {10, 1, 0, 1, 0}, false},     // another backup
      {{100, 0, 0, 1, 0}, {65536, 0, 0, 0, 0}, false},    // backwards
  };
  for (const auto& row : table) {
    std::vector<Extent> map;
    repo::append_extent(map, row.first, 65536);
    repo::append_extent(map, row.second, 65536);
    Extent both = row.first;
    both.length_bytes += row.second.length_bytes;
    CHECK(numbers(map) ==
          numbers(row.joined ? std::vector{both} : std::vector{row.first, row.second}));
  }
}

TEST_CASE("packs that an upload fails for end the run") {
  MemoryRepository memory;
  repo::Repository repository =
      memory.client({[](std::string_view operation, std::string_view key) {
                       if (operation == "put" && key.find("/pack/") != key.npos)
                         throw Error("no space left");
                     },
                     {}});
  Workers workers({});
  PackWriter store(repository, "main", std::string(kLabel), 1000);
  store.start(workers, 2);
  FrameFiller filler(store, compress::CodecId::none, 0, 65536);
  std::vector<Extent> map;
  const std::string content(65536, 'x');
  // Handing over waits for room, or stops: it never goes on for ever.
  const auto fill = [&] {
    for (int i = 0; i < 1000; ++i) filler.add("base/1", 0, as_bytes(content), map);
  };
  CHECK_THROWS_AS(fill(), Interrupted);
  store.close();
  CHECK_THROWS_AS(workers.join(), Error);
  CHECK(keys(*memory.store, "main/").empty());
}

TEST_CASE("what pieces are in a frame fits its limit, however many and long-named they are") {
  MemoryRepository memory;
  Workers workers({});
  PackWriter store(memory.repository, "main", std::string(kLabel), kMiB);
  store.start(workers, 1);
  FrameFiller filler(store, compress::CodecId::zst, 1, 262144);
  std::vector<std::pair<std::string, std::vector<Extent>>> files;
  for (int i = 0; i < 300; ++i) {
    files.emplace_back(std::to_string(i) + std::string(4090, 'p'), std::vector<Extent>());
    filler.add(files.back().first, 0, as_bytes(std::to_string(i)), files.back().second);
  }
  for (int i = 0; i < 30'000; ++i) {
    files.emplace_back(std::to_string(i), std::vector<Extent>());
    filler.add(files.back().first, 0, as_bytes("x"), files.back().second);
  }
  // Pages of one file that do not follow each other.
  files.emplace_back("scattered", std::vector<Extent>());
  for (std::uint64_t i = 0; i < 30'000; ++i)
    filler.add("scattered", i << 40, as_bytes("y"), files.back().second);
  filler.finish();
  store.close();
  workers.join();
  const std::vector<repo::ManifestRef> refs = {{std::string(kLabel), 262144}};
  const auto content = [&](std::size_t i) {
    return read_mapped(*memory.store, memory.repository.seal_context(), "main", refs,
                       files[i].second);
  };
  CHECK(content(0) == "0");
  CHECK(content(299) == "299");
  CHECK(content(30'000) == "x");
  CHECK(content(files.size() - 1) == std::string(30'000, 'y'));
}
