#pragma once

#include <pgcairn/common/bytes.hpp>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

namespace pgcairn::crypto {

// clang-format off
#define PGCAIRN_CRYPTO_FUNCTIONS(X)                                                                \
  X(BIO_free) X(BIO_new_mem_buf) X(EVP_CIPHER_CTX_ctrl) X(EVP_CIPHER_CTX_free)                     \
  X(EVP_CIPHER_CTX_new) X(EVP_CipherFinal_ex) X(EVP_CipherInit_ex) X(EVP_CipherUpdate)             \
  X(EVP_DecodeBlock) X(EVP_Digest) X(EVP_DigestSign) X(EVP_DigestSignInit) X(EVP_EncodeBlock)      \
  X(EVP_MD_CTX_free) X(EVP_MD_CTX_new) X(EVP_PBE_scrypt) X(EVP_PKEY_free)                          \
  X(EVP_PKEY_get_base_id) X(EVP_aes_256_gcm) X(EVP_md5) X(EVP_sha256) X(HMAC)                      \
  X(PEM_read_bio_PrivateKey)
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
