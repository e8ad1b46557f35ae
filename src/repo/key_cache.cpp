#include <pgcairn/common/private_file.hpp>
#include <pgcairn/crypto/aead.hpp>
#include <pgcairn/repo/key_cache.hpp>

#include <algorithm>
#include <array>

#include <unistd.h>

namespace pgcairn::repo {

namespace {

constexpr std::string_view kInfo = "pgcairn key cache 1";
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kFileBytes = kSaltBytes + kKeyBytes + sizeof(crypto::Tag);

crypto::Aead cipher_of(const KeySecret& secret, Bytes salt) {
  return crypto::Aead(crypto::hkdf_sha256(secret.bytes, salt, as_bytes(kInfo), kKeyBytes));
}

}  // namespace

DataKey KeyCache::find(std::string_view repository_id, const KeySecret& secret) const {
  const auto content = read_private_file(directory_ / repository_id, kFileBytes);
  if (!content || content->size() != kFileBytes) return nullptr;
  const Bytes bytes(*content);
  crypto::Tag tag;
  std::copy_n(bytes.end() - static_cast<std::ptrdiff_t>(tag.size()), tag.size(), tag.begin());
  crypto::SecretBytes key(kKeyBytes);
  const std::array<Bytes, 1> associated = {as_bytes(repository_id)};
  const bool opened =
      cipher_of(secret, bytes.first(kSaltBytes))
          .open({}, associated, bytes.subspan(kSaltBytes, kKeyBytes), tag, key.writable());
  if (!opened) return nullptr;
  return std::make_shared<const crypto::SecretBytes>(std::move(key));
}

void KeyCache::keep(std::string_view repository_id, const KeySecret& secret,
                    const DataKey& key) const {
  std::array<std::byte, kFileBytes> content{};
  const MutableBytes bytes(content);
  fill_random(bytes.first(kSaltBytes));
  const MutableBytes wrapped = bytes.subspan(kSaltBytes, kKeyBytes);
  std::copy_n(key->bytes().begin(), kKeyBytes, wrapped.begin());
  const std::array<Bytes, 1> associated = {as_bytes(repository_id)};
  const crypto::Tag tag = cipher_of(secret, bytes.first(kSaltBytes)).seal({}, associated, wrapped);
  std::copy(tag.begin(), tag.end(), bytes.end() - static_cast<std::ptrdiff_t>(tag.size()));
  write_private_file(directory_ / repository_id, content);
}

void KeyCache::forget(std::string_view repository_id) const {
  ::unlink((directory_ / repository_id).c_str());
}

}  // namespace pgcairn::repo
