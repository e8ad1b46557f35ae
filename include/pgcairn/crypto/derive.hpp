#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/crypto/secret.hpp>

#include <cstdint>

namespace pgcairn::crypto {

/// HKDF-SHA256 (RFC 5869): a key of `size` bytes, at most 8160, from one that cannot be guessed.
SecretBytes hkdf_sha256(Bytes key, Bytes salt, Bytes info, std::size_t size);

/// What makes scrypt (RFC 7914) slow: memory is 128 * n * r bytes, time goes with n * r * p.
struct ScryptCost {
  std::uint64_t n = 0;
  std::uint32_t r = 0;
  std::uint32_t p = 0;
};
/// A key of `size` bytes from a passphrase, which can be guessed. Throws Error when the cost is
/// impossible or needs more than 1 GiB.
SecretBytes scrypt(Bytes passphrase, Bytes salt, const ScryptCost& cost, std::size_t size);

}  // namespace pgcairn::crypto
