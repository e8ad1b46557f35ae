#pragma once

#include <pgcairn/common/bytes.hpp>

#include <cstdint>

namespace pgcairn {

/// What crc32c() does on machines without an instruction for it.
std::uint32_t crc32c_by_tables(Bytes bytes, std::uint32_t seed = 0);

}  // namespace pgcairn
