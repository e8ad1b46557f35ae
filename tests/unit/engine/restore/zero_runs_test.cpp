#include "engine/restore/zero_runs.hpp"

#include <string>
#include <vector>

#include <catch2/catch.hpp>

namespace pgcairn::engine {
namespace {

/// "write 8192, hole 65536": the runs of a piece of a file.
std::string runs_of(std::string_view text, std::uint64_t offset) {
  std::string found;
  for (Bytes rest = as_bytes(text); !rest.empty();) {
    const ZeroRun run = first_run(rest, offset);
    REQUIRE(run.length_bytes > 0);
    if (!found.empty()) found += ", ";
    found += (run.hole ? "hole " : "write ") + std::to_string(run.length_bytes);
    rest = rest.subspan(run.length_bytes);
    offset += run.length_bytes;
  }
  return found;
}

}  // namespace

TEST_CASE("whole blocks of zeros become holes, and nothing else", "[restore][holes]") {
  constexpr std::size_t block = kHoleBytes;
  const std::string zero(block, '\0');
  const std::string full(block, 'x');
  std::string almost = zero;
  almost.back() = 'x';
  std::string first = zero;
  first.front() = 'x';
  CHECK(first_run({}, 0) == ZeroRun{});
  CHECK(runs_of(full, 0) == "write 32768");
  CHECK(runs_of(zero, 0) == "hole 32768");
  CHECK(runs_of(almost, 0) == "write 32768");
  CHECK(runs_of(first, 0) == "write 32768");
  CHECK(runs_of(zero + zero + full + zero, 5 * block) == "hole 65536, write 32768, hole 32768");
  CHECK(runs_of(full + almost + first, 0) == "write 98304");
  // Blocks are those of the file, not of the piece.
  CHECK(runs_of(zero, 8192) == "write 32768");
  CHECK(runs_of(zero + zero, 8192) == "write 24576, hole 32768, write 8192");
  // The end of a file that is not a whole block is written.
  CHECK(runs_of(std::string(8192, '\0'), 0) == "write 8192");
  CHECK(runs_of(zero + std::string(100, '\0'), block) == "hole 32768, write 100");
}

}  // namespace pgcairn::engine
