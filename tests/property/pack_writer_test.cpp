#include "engine/backup/pack_writer.hpp"

#include "support/random.hpp"
#include "support/repository.hpp"
#include "support/rounds.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/repo/file_map.hpp>
#include <pgcairn/repo/layout.hpp>

#include <map>
#include <mutex>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;
using repo::Extent;

namespace {

constexpr std::uint32_t kFrameBytes[] = {8192, 65536, 131072, 262144};

/// The pieces that frames say they hold, put together again: the content of every file.
std::map<std::string, std::string> scanned(storage::Driver& driver,
                                           const repo::SealContext& seal_context,
                                           const std::vector<repo::ManifestPack>& packs) {
  std::map<std::string, std::string> files;
  for (const repo::ManifestPack& pack : packs) {
    const std::string key = repo::pack_key("main", kLabel, pack.pack);
    const std::string body = object(driver, key);
    CHECK(body.size() == pack.size_bytes);
    const auto index = repo::PackIndex::load(driver, seal_context, key, pack.size_bytes);
    repo::FrameReader reader(seal_context, key);
    for (std::uint32_t i = 0; i < index.frames(); ++i) {
      const std::string bytes = body.substr(index.offset(i), index.end(i) - index.offset(i));
      const repo::Frame frame =
          reader.read(as_bytes(bytes), index.offset(i), repo::FrameKind::data, i);
      Buffer raw;
      reader.open(frame, index.offset(i), raw);
      REQUIRE(raw.size() == index.raw_bytes(i));
      std::size_t at = 0;
      for (const repo::Piece& piece : repo::read_pieces(frame.about, key, index.offset(i))) {
        std::string& file = files[piece.path];
        for (const repo::Run& run : piece.runs) {
          REQUIRE(at + run.length_bytes <= raw.size());
          if (file.size() < run.offset_bytes + run.length_bytes)
            file.resize(run.offset_bytes + run.length_bytes);
          const std::string_view content = as_text(raw).substr(at, run.length_bytes);
          file.replace(run.offset_bytes, run.length_bytes, content);
          at += run.length_bytes;
        }
      }
      CHECK(at == raw.size());
    }
  }
  return files;
}

}  // namespace

TEST_CASE("extents of random pieces in random frames give back the content") {
  Random random(seed());
  for (int round = 0; round < rounds(300); ++round) {
    const std::uint32_t frame_bytes = kFrameBytes[below(random, std::size(kFrameBytes))];
    // Frames of packs, full or short, as runs of bytes that are told apart by where they are.
    struct Place {
      std::uint32_t ref, pack, frame, size;
    };
    std::vector<Place> frames;
    for (std::uint32_t ref = 0; ref < 2; ++ref) {
      for (std::uint32_t pack = 0; pack < 2; ++pack) {
        for (std::uint32_t frame = 0; frame < 5; ++frame) {
          const bool full = below(random, 4) != 0;
          const auto size = full ? frame_bytes : std::uint32_t(1 + below(random, frame_bytes));
          frames.push_back({ref, pack, frame, size});
        }
      }
    }
    // A file: stretches of frames that follow each other, cut into pieces at random.
    using Byte = std::array<std::uint64_t, 3>;  // ref and pack, frame, offset
    std::vector<std::pair<Byte, std::uint64_t>> wanted;
    std::vector<Extent> map;
    for (std::uint64_t stretch = 1 + below(random, 4); stretch > 0; --stretch) {
      std::size_t at = below(random, frames.size());
      std::uint32_t offset =
          below(random, 2) == 0 ? 0 : std::uint32_t(below(random, frames[at].size));
      for (std::uint64_t pieces = below(random, 12); pieces > 0 && at < frames.size(); --pieces) {
        const Place& place = frames[at];
        const auto left = place.size - offset;
        const auto length = below(random, 2) == 0 ? left : std::uint32_t(1 + below(random, left));
        repo::append_extent(map, {length, place.ref, place.pack, place.frame, offset}, frame_bytes);
        wanted.push_back({{place.ref * 2 + place.pack, place.frame, offset}, length});
        offset += length;
        if (offset == place.size) {
          ++at;
          offset = 0;
        }
      }
    }
    // Read as the man page says, and compare piece by piece.
    std::size_t piece = 0;
    std::uint64_t piece_done = 0;
    for (const Extent& extent : map) {
      std::uint64_t left = extent.length_bytes;
      std::uint64_t offset = extent.offset_bytes;
      for (std::uint32_t frame = extent.frame; left > 0; ++frame, offset = 0) {
        const auto place = std::find_if(frames.begin(), frames.end(), [&](const Place& each) {
          return each.ref == extent.ref && each.pack == extent.pack && each.frame == frame;
        });
        REQUIRE(place != frames.end());
        std::uint64_t here = std::min<std::uint64_t>(left, place->size - offset);
        left -= here;
        if (left > 0) REQUIRE(place->size == frame_bytes);
        while (here > 0) {
          REQUIRE(piece < wanted.size());
          const auto& [byte, length] = wanted[piece];
          REQUIRE(byte == Byte{extent.ref * 2 + extent.pack, frame, offset - piece_done});
          const std::uint64_t taken = std::min(here, length - piece_done);
          here -= taken;
          offset += taken;
          piece_done += taken;
          if (piece_done == length) {
            ++piece;
            piece_done = 0;
          }
        }
      }
    }
    CHECK(piece == wanted.size());
  }
}

TEST_CASE("what goes into packs is found by maps, by the packs' own lists, and by hashes") {
  Random random(seed());
  for (int round = 0; round < rounds(12); ++round) {
    MemoryRepository memory;
    const std::uint32_t frame_bytes = kFrameBytes[1 + below(random, 3)];
    const auto codec = static_cast<compress::CodecId>(below(random, 4));
    const std::size_t pack_bytes = 10'000 + below(random, 1'000'000);
    INFO("round " << round << " frame " << frame_bytes << " codec " << int(codec));
    PackWriter store(memory.repository, "main", std::string(kLabel), pack_bytes);
    Workers workers({});
    store.start(workers, 2);

    struct File {
      std::string path;
      std::string content;
      std::vector<Extent> map;
      bool pages;
    };
    std::vector<std::vector<File>> files(2);
    for (std::size_t thread = 0; thread < files.size(); ++thread) {
      for (std::uint64_t i = 1 + below(random, 60); i > 0; --i) {
        const bool pages = below(random, 2) == 0;
        std::uint64_t size = below(random, below(random, 3) == 0 ? 1'000'000 : 20'000);
        if (pages) size -= size % 8192;
        files[thread].push_back(
            {std::to_string(thread) + "/" + std::to_string(i), row_bytes(random, size), {}, pages});
      }
      std::stable_partition(files[thread].begin(), files[thread].end(),
                            [](const File& file) { return file.pages; });
    }
    std::atomic<int> running = 2;
    const std::uint64_t step_seed = random();
    for (std::size_t thread = 0; thread < files.size(); ++thread) {
      workers.start([&, thread](std::stop_token) {
        Random steps(step_seed + thread);
        FrameFiller filler(store, codec, compress::levels_of(codec).usual, frame_bytes);
        bool pages = true;
        for (File& file : files[thread]) {
          if (file.pages != pages || below(steps, 10) == 0) filler.flush();
          pages = file.pages;
          std::string_view rest = file.content;
          for (std::uint64_t at = 0; !rest.empty();) {
            std::uint64_t size = 1 + below(steps, 300'000);
            if (file.pages) size = (size / 8192 + 1) * 8192;
            const std::string_view piece = rest.substr(0, size);
            filler.add(file.path, at, as_bytes(piece), file.map);
            at += piece.size();
            rest.remove_prefix(piece.size());
          }
        }
        filler.finish();
        if (--running == 0) store.close();
      });
    }
    workers.join();

    const auto packs = store.stored();
    std::uint64_t stored_bytes = 0;
    for (std::size_t i = 0; i < packs.size(); ++i) {
      CHECK(packs[i].pack == i);
      stored_bytes += packs[i].size_bytes;
    }
    CHECK(store.stored_bytes() == stored_bytes);
    const repo::SealContext& seal_context = memory.repository.seal_context();
    const auto scan = scanned(*memory.store, seal_context, packs);
    const std::vector<repo::ManifestRef> refs = {{std::string(kLabel), frame_bytes}};
    for (const auto& list : files) {
      for (const File& file : list) {
        INFO(file.path << " of " << file.content.size() << " bytes");
        CHECK((read_mapped(*memory.store, seal_context, "main", refs, file.map) == file.content));
        if (!file.content.empty()) CHECK((scan.at(file.path) == file.content));
        std::uint64_t at = 0;
        for (const Extent& extent : file.map) {
          if (file.pages) CHECK(extent.offset_bytes % 8192 == 0);
          if (file.pages && extent.offset_bytes + extent.length_bytes <= frame_bytes) {
            const std::string key = repo::pack_key("main", kLabel, extent.pack);
            const auto index = repo::PackIndex::load(*memory.store, seal_context, key,
                                                     packs[extent.pack].size_bytes);
            CHECK(index.hashes(extent.frame)[extent.offset_bytes / 8192] ==
                  crypto::hash64(as_bytes(std::string_view(file.content).substr(at, 8192))));
          }
          at += extent.length_bytes;
        }
      }
    }
  }
}
