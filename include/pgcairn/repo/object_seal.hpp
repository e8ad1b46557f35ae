#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/crypto/aead.hpp>
#include <pgcairn/crypto/hash.hpp>
#include <pgcairn/crypto/secret.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgcairn::repo {

/// What the frames of one object have in common: of an unsealed one the hash of its place, of a
/// sealed one 16 random bytes, drawn when it was written.
using Binding = crypto::Hash128;
/// From 32 hexadecimal digits.
std::optional<Binding> parse_binding(std::string_view text);

/// Seals and opens the frames of one object: pgcairn-repository(5), Sealed frames. Not for several
/// threads at once.
class ObjectSeal {
 public:
  ObjectSeal(const crypto::SecretBytes& data_key, const Binding& binding, std::string place);

  /// `header` is what the tag covers of it. Encrypts `message` in its place.
  crypto::Tag seal(Bytes header, std::uint32_t number, MutableBytes message);
  /// False when anything was changed or is of another place.
  bool open(Bytes header, std::uint32_t number, Bytes sealed, const crypto::Tag& tag,
            MutableBytes out);

 private:
  std::string place_;
  crypto::Aead aead_;
};

}  // namespace pgcairn::repo
