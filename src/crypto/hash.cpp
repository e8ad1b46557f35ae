#include <pgcairn/crypto/hash.hpp>

// The whole of XXH3 is compiled into this file: short inputs are not worth a call into a library.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace pgcairn::crypto {

std::uint64_t hash64(Bytes bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

namespace {

Hash128 canonical(XXH128_hash_t hash) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, hash);
  Hash128 out;
  static_assert(sizeof out == sizeof bytes);
  std::memcpy(out.data(), &bytes, sizeof out);
  return out;
}

}  // namespace

Hash128 hash128(Bytes bytes) {
  return canonical(XXH3_128bits(bytes.data(), bytes.size()));
}

struct Hasher128::State {
  XXH3_state_t state;
};

Hasher128::Hasher128() : state_(std::make_unique<State>()) {
  XXH3_128bits_reset(&state_->state);
}
Hasher128::~Hasher128() = default;
void Hasher128::add(Bytes bytes) {
  XXH3_128bits_update(&state_->state, bytes.data(), bytes.size());
}
Hash128 Hasher128::finish() const {
  return canonical(XXH3_128bits_digest(&state_->state));
}

}  // namespace pgcairn::crypto
