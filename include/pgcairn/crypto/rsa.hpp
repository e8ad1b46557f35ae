#pragma once

#include <pgcairn/common/bytes.hpp>

#include <string_view>
#include <vector>

namespace pgcairn::crypto {

/// The signature of `message` by RSA (PKCS #1 v1.5) over SHA-256: what JSON Web Tokens call RS256.
/// `private_key` is PEM text. Throws Error, without a word of the key, when it is not such a key.
std::vector<std::byte> sign_rs256(std::string_view private_key, Bytes message);

}  // namespace pgcairn::crypto
