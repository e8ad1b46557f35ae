#pragma once

#include <pgcairn/common/bytes.hpp>

#include <array>
#include <memory>
#include <span>

namespace pgcairn::crypto {

inline constexpr std::size_t kAeadKeyBytes = 32;
using Nonce = std::array<std::byte, 12>;
using Tag = std::array<std::byte, 16>;

/// AES-256-GCM (NIST SP 800-38D) with one key. A nonce must never seal two messages. Not for
/// several threads at once. Throws Error when OpenSSL refuses.
class Aead {
 public:
  explicit Aead(Bytes key);
  ~Aead();
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;

  /// Encrypts `message` in its place. `associated` is covered by the tag, its parts one after the
  /// other.
  Tag seal(const Nonce& nonce, std::span<const Bytes> associated, MutableBytes message);
  /// Decrypts into `out`, which has the size of `sealed`. False, and nothing to be used in `out`,
  /// when anything was changed.
  bool open(const Nonce& nonce, std::span<const Bytes> associated, Bytes sealed, const Tag& tag,
            MutableBytes out);

 private:
  struct Context;
  void begin(const Nonce& nonce, std::span<const Bytes> associated, bool sealing);
  std::unique_ptr<Context> context_;
};

}  // namespace pgcairn::crypto
