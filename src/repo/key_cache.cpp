#include <pgcairn/common/file.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/aead.hpp>
#include <pgcairn/repo/key_cache.hpp>

#include <algorithm>
#include <array>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace pgcairn::repo {

namespace {

constexpr std::string_view kInfo = "pgcairn key cache 1";
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kFileBytes = kSaltBytes + kKeyBytes + sizeof(crypto::Tag);

crypto::Aead cipher_of(const KeySecret& secret, Bytes salt) {
  return crypto::Aead(crypto::hkdf_sha256(secret.bytes, salt, as_bytes(kInfo), kKeyBytes));
}

/// Nobody but us could have written or can read it.
bool ours_alone(const struct stat& status) {
  return status.st_uid == ::geteuid() && (status.st_mode & 077) == 0;
}

}  // namespace

DataKey KeyCache::find(std::string_view repository_id, const KeySecret& secret) const try {
  const fs::path path = directory_ / repository_id;
  const auto directory = stat_if_exists(directory_);
  const auto file = open_if_exists(path, O_RDONLY | O_NOFOLLOW);
  if (!directory || !file) return nullptr;
  if (!ours_alone(*directory) || !ours_alone(stat_of(*file, path))) {
    log_detail(
        format("\"{}\" is not used: others could read it, or it is another user's", path.native()));
    return nullptr;
  }
  std::array<std::byte, kFileBytes> content{};
  if (read_at(*file, content, 0, path) != content.size()) return nullptr;
  const Bytes bytes(content);
  crypto::Tag tag;
  std::copy_n(bytes.end() - static_cast<std::ptrdiff_t>(tag.size()), tag.size(), tag.begin());
  crypto::SecretBytes key(kKeyBytes);
  const std::array<Bytes, 1> associated = {as_bytes(repository_id)};
  const bool opened =
      cipher_of(secret, bytes.first(kSaltBytes))
          .open({}, associated, bytes.subspan(kSaltBytes, kKeyBytes), tag, key.writable());
  if (!opened) return nullptr;
  return std::make_shared<const crypto::SecretBytes>(std::move(key));
} catch (const SystemError& error) {
  log_detail(format("the kept key is not used: {}", error.message()));
  return nullptr;
}

void KeyCache::keep(std::string_view repository_id, const KeySecret& secret,
                    const DataKey& key) const try {
  std::error_code ignored;
  fs::create_directories(directory_.parent_path(), ignored);
  ::mkdir(directory_.c_str(), 0700);
  const auto directory = stat_if_exists(directory_);
  if (!directory || !ours_alone(*directory)) return;
  std::array<std::byte, kFileBytes> content{};
  const MutableBytes bytes(content);
  fill_random(bytes.first(kSaltBytes));
  const MutableBytes wrapped = bytes.subspan(kSaltBytes, kKeyBytes);
  std::copy_n(key->bytes().begin(), kKeyBytes, wrapped.begin());
  const std::array<Bytes, 1> associated = {as_bytes(repository_id)};
  const crypto::Tag tag = cipher_of(secret, bytes.first(kSaltBytes)).seal({}, associated, wrapped);
  std::copy(tag.begin(), tag.end(), bytes.end() - static_cast<std::ptrdiff_t>(tag.size()));
  AtomicFile file(directory_ / repository_id, 0600);
  file.write(content);
  file.publish();
} catch (const SystemError& error) {
  log_detail(format("the key is not kept on this host: {}", error.message()));
}

void KeyCache::forget(std::string_view repository_id) const {
  ::unlink((directory_ / repository_id).c_str());
}

}  // namespace pgcairn::repo
