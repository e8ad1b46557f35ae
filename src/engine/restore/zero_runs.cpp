#include "restore/zero_runs.hpp"

#include <algorithm>
#include <cstring>

namespace pgcairn::engine {

namespace {

bool is_zero(Bytes bytes) {
  // Each byte equals the one before it, and the first one is zero.
  return bytes.front() == std::byte{0} &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace

ZeroRun first_run(Bytes bytes, std::uint64_t offset_bytes) {
  ZeroRun run;
  while (run.length_bytes < bytes.size()) {
    const std::uint64_t at = offset_bytes + run.length_bytes;
    const Bytes rest = bytes.subspan(run.length_bytes);
    const Bytes block = rest.first(
        std::min<std::uint64_t>(rest.size(), kHoleBytes - at % kHoleBytes));  // to the block's end
    const bool hole = block.size() == kHoleBytes && is_zero(block);
    if (run.length_bytes > 0 && hole != run.hole) break;
    run.hole = hole;
    run.length_bytes += block.size();
  }
  return run;
}

}  // namespace pgcairn::engine
