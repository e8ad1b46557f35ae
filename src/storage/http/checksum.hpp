#pragma once

#include <pgcairn/common/bytes.hpp>

#include <string>

namespace pgcairn::storage {

/// The CRC-32C of `bytes` as stores write it: base64 of the number, the highest byte first.
std::string crc32c_text(Bytes bytes);

}  // namespace pgcairn::storage
