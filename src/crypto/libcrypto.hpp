#pragma once

#include <pgcairn/common/bytes.hpp>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace pgcairn::crypto {

// clang-format off
#define PGCAIRN_CRYPTO_FUNCTIONS(X)                                                                \
  X(EVP_Digest) X(EVP_EncodeBlock) X(EVP_md5) X(EVP_sha256) X(HMAC) X(EVP_aes_256_gcm)             \
  X(EVP_CIPHER_CTX_new) X(EVP_CIPHER_CTX_free) X(EVP_CipherInit_ex) X(EVP_CipherUpdate)            \
  X(EVP_CipherFinal_ex) X(EVP_CIPHER_CTX_ctrl) X(EVP_PBE_scrypt)
// clang-format on

/// The functions of OpenSSL's libcrypto, loaded when they are first needed.
struct LibCrypto {
#define PGCAIRN_MEMBER(name) decltype(&::name) name = nullptr;
  PGCAIRN_CRYPTO_FUNCTIONS(PGCAIRN_MEMBER)
#undef PGCAIRN_MEMBER
};
/// Throws Error when the library cannot be loaded.
const LibCrypto& ssl();

inline unsigned char* raw(std::byte* bytes) {
  return reinterpret_cast<unsigned char*>(bytes);
}
inline const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

}  // namespace pgcairn::crypto
