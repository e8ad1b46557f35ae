#pragma once

#include <pgcairn/common/bytes.hpp>

#include <cstdint>

namespace pgcairn::engine {

/// What of a file becomes a hole when it is restored: whole blocks of this size, counted from the
/// start of the file, that have nothing but zeros. Smaller ones would only make the file
/// fragmented.
inline constexpr std::uint64_t kHoleBytes = 32 * kKiB;

/// What to do with the first bytes of some that belong at `offset_bytes` of a file.
struct ZeroRun {
  std::uint64_t length_bytes = 0;
  bool hole = false;  // only zeros, in whole blocks; else it is to be written
  bool operator==(const ZeroRun&) const = default;
};
/// As long as it goes on; of nothing for no bytes. Pure.
ZeroRun first_run(Bytes bytes, std::uint64_t offset_bytes);

}  // namespace pgcairn::engine
