#include "libcrypto.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/crypto/rsa.hpp>

#include <memory>

namespace pgcairn::crypto {

namespace {

struct Free {
  void operator()(BIO* text) const { ssl().BIO_free(text); }
  void operator()(EVP_PKEY* key) const { ssl().EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { ssl().EVP_MD_CTX_free(context); }
};
template <class Type>
using Owned = std::unique_ptr<Type, Free>;

/// Without this OpenSSL would ask the terminal for the passphrase of an encrypted key.
int no_passphrase(char*, int, int, void*) {
  return 0;
}

}  // namespace

std::vector<std::byte> sign_rs256(std::string_view private_key, Bytes message) {
  const Owned<BIO> text(
      ssl().BIO_new_mem_buf(private_key.data(), static_cast<int>(private_key.size())));
  const Owned<EVP_PKEY> key(
      text ? ssl().PEM_read_bio_PrivateKey(text.get(), nullptr, no_passphrase, nullptr) : nullptr);
  if (!key || ssl().EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA)
    throw Error("the private key is not an RSA key in PEM text");
  const Owned<EVP_MD_CTX> context(ssl().EVP_MD_CTX_new());
  const auto* const data = reinterpret_cast<const unsigned char*>(message.data());
  std::size_t size = 0;
  std::vector<std::byte> signature;
  // The first call tells how long the signature can be.
  bool done = context &&
              ssl().EVP_DigestSignInit(context.get(), nullptr, ssl().EVP_sha256(), nullptr,
                                       key.get()) == 1 &&
              ssl().EVP_DigestSign(context.get(), nullptr, &size, data, message.size()) == 1;
  if (done) {
    signature.resize(size);
    done = ssl().EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()),
                                &size, data, message.size()) == 1;
  }
  if (!done) throw Error("cannot sign with RSA and SHA-256: this machine's OpenSSL refuses it");
  signature.resize(size);
  return signature;
}

}  // namespace pgcairn::crypto
