#include "engine/wal/source.hpp"

#include "support/random.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/bytes.hpp>

#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::engine;
using namespace pgcairn::test;

namespace {

void write(const fs::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace

TEST_CASE("a segment that the server recycles while it is read is not taken for itself") {
  const TempDir directory;
  const fs::path path = directory / "000000010000000000000006";
  const fs::path later = directory / "000000010000000000000009";
  enum class What { nothing, renamed, replaced, removed };
  for (const What what : {What::nothing, What::renamed, What::replaced, What::removed}) {
    for (std::size_t when = 0; when < 4; ++when) {  // before which piece
      fs::remove(later);
      fs::remove(path);
      write(path, std::string(4 * kMiB, 'a'));
      const auto source = WalSource::open_if_exists(path);
      REQUIRE(source);
      const repo::WalContent content = source->content_while_named();
      const auto read = [&] {
        Buffer piece(kMiB);
        for (std::size_t i = 0; i < 4; ++i) {
          if (i == when && what == What::removed) fs::remove(path);
          if (i == when && (what == What::renamed || what == What::replaced)) {
            fs::rename(path, later);
            std::fstream(later, std::ios::binary | std::ios::in | std::ios::out) << "other content";
          }
          if (i == when && what == What::replaced) write(path, std::string(4 * kMiB, 'b'));
          content.read(i * kMiB, piece.writable());
        }
      };
      INFO("before piece " << when);
      if (what == What::nothing) {
        CHECK_NOTHROW(read());
      } else {
        CHECK_THROWS_AS(read(), RecycledError);
      }
    }
  }
}
