#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/derive.hpp>
#include <pgcairn/repo/object_seal.hpp>

#include <algorithm>
#include <array>

namespace pgcairn::repo {

namespace {

constexpr std::string_view kInfo = "pgcairn object 1";

crypto::Nonce nonce_of(std::uint32_t number) {
  crypto::Nonce nonce{};
  store_le(nonce.data(), number);
  return nonce;
}

}  // namespace

std::optional<Binding> parse_binding(std::string_view text) {
  const auto bytes = parse_hex(text);
  Binding binding;
  if (!bytes || bytes->size() != binding.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), binding.begin());
  return binding;
}

ObjectSeal::ObjectSeal(const crypto::SecretBytes& data_key, const Binding& binding,
                       std::string place)
    : place_(std::move(place)),
      aead_(crypto::hkdf_sha256(data_key, binding, as_bytes(kInfo), crypto::kAeadKeyBytes)) {}

crypto::Tag ObjectSeal::seal(Bytes header, std::uint32_t number, MutableBytes message) {
  const std::array<Bytes, 2> associated = {header, as_bytes(place_)};
  return aead_.seal(nonce_of(number), associated, message);
}

bool ObjectSeal::open(Bytes header, std::uint32_t number, Bytes sealed, const crypto::Tag& tag,
                      MutableBytes out) {
  const std::array<Bytes, 2> associated = {header, as_bytes(place_)};
  return aead_.open(nonce_of(number), associated, sealed, tag, out);
}

}  // namespace pgcairn::repo
