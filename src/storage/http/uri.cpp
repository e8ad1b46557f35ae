#include "http/uri.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::storage {

namespace {

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

}  // namespace

std::string uri_encode(std::string_view text, bool slash_too) {
  std::string encoded;
  for (const char c : text) {
    if (is_unreserved(c) || (c == '/' && !slash_too)) {
      encoded += c;
    } else {
      encoded += format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::string canonical_query(const std::vector<std::pair<std::string, std::string>>& query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  for (const auto& [name, value] : query)
    encoded.emplace_back(uri_encode(name, true), uri_encode(value, true));
  std::sort(encoded.begin(), encoded.end());
  std::string text;
  for (const auto& [name, value] : encoded)
    text += format("{}{}={}", text.empty() ? "" : "&", name, value);
  return text;
}

}  // namespace pgcairn::storage
