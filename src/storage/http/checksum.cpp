#include "http/checksum.hpp"

#include <pgcairn/crypto/digest.hpp>

#include <array>
#include <cstdint>

namespace pgcairn::storage {

std::string crc32c_text(Bytes bytes) {
  const std::uint32_t crc = crc32c(bytes);
  std::array<std::byte, sizeof crc> big_endian{};
  for (std::size_t at = 0; at < big_endian.size(); ++at)
    big_endian[at] = static_cast<std::byte>(crc >> (8 * (big_endian.size() - 1 - at)));
  return crypto::base64(big_endian);
}

}  // namespace pgcairn::storage
