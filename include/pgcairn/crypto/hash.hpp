#pragma once

#include <pgcairn/common/bytes.hpp>

#include <array>
#include <cstdint>
#include <memory>

namespace pgcairn::crypto {

/// XXH3, 64 bits, seed 0: tells pages apart. Not a seal against people.
std::uint64_t hash64(Bytes bytes);

/// XXH3, 128 bits, seed 0, canonical (big-endian) form: the check of unsealed frames.
using Hash128 = std::array<std::byte, 16>;
Hash128 hash128(Bytes bytes);

/// hash128 of bytes that come in pieces.
class Hasher128 {
 public:
  Hasher128();
  ~Hasher128();
  Hasher128(const Hasher128&) = delete;
  Hasher128& operator=(const Hasher128&) = delete;
  void add(Bytes bytes);
  Hash128 finish() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pgcairn::crypto
