#include "libcrypto.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/digest.hpp>

namespace pgcairn::crypto {

namespace {

template <class Digest>
Digest digest(const EVP_MD* kind, std::string_view name, Bytes bytes) {
  Digest out{};
  unsigned size = 0;
  if (ssl().EVP_Digest(bytes.data(), bytes.size(), raw(out.data()), &size, kind, nullptr) != 1 ||
      size != out.size()) {
    throw Error(format("cannot compute {}: this machine's OpenSSL refuses it", name));
  }
  return out;
}

}  // namespace

Sha256 sha256(Bytes bytes) {
  return digest<Sha256>(ssl().EVP_sha256(), "SHA-256", bytes);
}

Md5 md5(Bytes bytes) {
  return digest<Md5>(ssl().EVP_md5(), "MD5", bytes);
}

Sha256 hmac_sha256(Bytes key, Bytes message) {
  Sha256 out{};
  unsigned size = 0;
  if (ssl().HMAC(ssl().EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(message.data()),
                 message.size(), raw(out.data()), &size) == nullptr ||
      size != out.size()) {
    throw Error("cannot compute HMAC-SHA-256: this machine's OpenSSL refuses it");
  }
  return out;
}

std::string base64(Bytes bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');  // and the 0 that OpenSSL writes
  const int length = ssl().EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                           raw(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(length));
  return out;
}

std::optional<std::vector<std::byte>> parse_base64(std::string_view text) {
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::vector<std::byte> out(text.size() / 4 * 3);
  const int length = ssl().EVP_DecodeBlock(raw(out.data()), raw(as_bytes(text).data()),
                                           static_cast<int>(text.size()));
  // OpenSSL passes over white space, and answers fewer bytes then.
  if (text.size() % 4 != 0 || length < 0 || static_cast<std::size_t>(length) != out.size())
    return std::nullopt;
  out.resize(out.size() - padding);
  return out;
}

}  // namespace pgcairn::crypto
