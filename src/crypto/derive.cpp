#include "libcrypto.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/crypto/derive.hpp>
#include <pgcairn/crypto/digest.hpp>

#include <algorithm>

namespace pgcairn::crypto {

namespace {

constexpr std::uint64_t kMostScryptBytes = 1 * kGiB;

}  // namespace

SecretBytes hkdf_sha256(Bytes key, Bytes salt, Bytes info, std::size_t size) {
  constexpr std::size_t kHashBytes = sizeof(Sha256);
  PGCAIRN_ASSERT(size <= 255 * kHashBytes);
  Sha256 extracted = hmac_sha256(salt, key);
  SecretBytes out(size);
  // T(n) = HMAC(T(n - 1) | info | n): the message is put together in memory of the same kind.
  SecretBytes message(kHashBytes + info.size() + 1);
  std::size_t previous = 0;
  std::byte number{1};
  for (std::size_t at = 0; at < size; at += kHashBytes) {
    MutableBytes text = message.writable();
    std::copy(info.begin(), info.end(), text.begin() + static_cast<std::ptrdiff_t>(previous));
    text[previous + info.size()] = number;
    Sha256 block = hmac_sha256(extracted, text.first(previous + info.size() + 1));
    std::copy_n(block.begin(), std::min(kHashBytes, size - at),
                out.writable().begin() + static_cast<std::ptrdiff_t>(at));
    std::copy(block.begin(), block.end(), text.begin());
    wipe(block);
    previous = kHashBytes;
    number = static_cast<std::byte>(static_cast<unsigned>(number) + 1);
  }
  wipe(extracted);
  return out;
}

SecretBytes scrypt(Bytes passphrase, Bytes salt, const ScryptCost& cost, std::size_t size) {
  SecretBytes out(size);
  if (ssl().EVP_PBE_scrypt(reinterpret_cast<const char*>(passphrase.data()), passphrase.size(),
                           raw(salt.data()), salt.size(), cost.n, cost.r, cost.p, kMostScryptBytes,
                           raw(out.writable().data()), size) != 1) {
    throw Error("cannot compute scrypt: this machine's OpenSSL refuses it, or the cost");
  }
  return out;
}

}  // namespace pgcairn::crypto
