#include "libcrypto.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/crypto/aead.hpp>

namespace pgcairn::crypto {

namespace {

[[noreturn]] void refused() {
  throw Error("cannot compute AES-256-GCM: this machine's OpenSSL refuses it");
}

void update(EVP_CIPHER_CTX* context, std::byte* out, Bytes in) {
  int length = 0;
  if (!in.empty() && ssl().EVP_CipherUpdate(context, out == nullptr ? nullptr : raw(out), &length,
                                            raw(in.data()), static_cast<int>(in.size())) != 1) {
    refused();
  }
}

}  // namespace

struct Aead::Context {
  Context() : cipher(ssl().EVP_CIPHER_CTX_new()) {}
  ~Context() { ssl().EVP_CIPHER_CTX_free(cipher); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  EVP_CIPHER_CTX* cipher;
};

Aead::Aead(Bytes key) : context_(std::make_unique<Context>()) {
  PGCAIRN_ASSERT(key.size() == kAeadKeyBytes);
  if (context_->cipher == nullptr ||
      ssl().EVP_CipherInit_ex(context_->cipher, ssl().EVP_aes_256_gcm(), nullptr, raw(key.data()),
                              nullptr, 1) != 1) {
    refused();
  }
}

Aead::~Aead() = default;
Aead::Aead(Aead&&) noexcept = default;
Aead& Aead::operator=(Aead&&) noexcept = default;

/// The key stays in the context: setting it again for every frame would cost more than a short one.
void Aead::begin(const Nonce& nonce, std::span<const Bytes> associated, bool sealing) {
  if (ssl().EVP_CipherInit_ex(context_->cipher, nullptr, nullptr, nullptr, raw(nonce.data()),
                              sealing ? 1 : 0) != 1) {
    refused();
  }
  for (const Bytes part : associated) update(context_->cipher, nullptr, part);
}

Tag Aead::seal(const Nonce& nonce, std::span<const Bytes> associated, MutableBytes message) {
  begin(nonce, associated, true);
  update(context_->cipher, message.data(), message);
  Tag tag{};
  int length = 0;
  if (ssl().EVP_CipherFinal_ex(context_->cipher, raw(tag.data()), &length) != 1 ||
      ssl().EVP_CIPHER_CTX_ctrl(context_->cipher, EVP_CTRL_AEAD_GET_TAG,
                                static_cast<int>(tag.size()), tag.data()) != 1) {
    refused();
  }
  return tag;
}

bool Aead::open(const Nonce& nonce, std::span<const Bytes> associated, Bytes sealed, const Tag& tag,
                MutableBytes out) {
  PGCAIRN_ASSERT(out.size() == sealed.size());
  begin(nonce, associated, false);
  update(context_->cipher, out.data(), sealed);
  Tag expected = tag;
  if (ssl().EVP_CIPHER_CTX_ctrl(context_->cipher, EVP_CTRL_AEAD_SET_TAG,
                                static_cast<int>(expected.size()), expected.data()) != 1) {
    refused();
  }
  std::byte none{};
  int length = 0;
  return ssl().EVP_CipherFinal_ex(context_->cipher, raw(&none), &length) == 1;
}

}  // namespace pgcairn::crypto
