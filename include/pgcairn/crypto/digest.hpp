#pragma once

#include <pgcairn/common/bytes.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::crypto {

// What stores ask for when requests are signed. Throws Error when OpenSSL refuses (MD5 in FIPS
// mode).

using Sha256 = std::array<std::byte, 32>;
Sha256 sha256(Bytes bytes);
Sha256 hmac_sha256(Bytes key, Bytes message);

using Md5 = std::array<std::byte, 16>;
/// No seal: only the check of a request's body that some stores demand.
Md5 md5(Bytes bytes);

std::string base64(Bytes bytes);
/// Nothing when `text` is not base64.
std::optional<std::vector<std::byte>> parse_base64(std::string_view text);

}  // namespace pgcairn::crypto
