#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgcairn::storage {

/// Everything but [A-Za-z0-9._~-] becomes %XX; '/' only when asked for.
std::string uri_encode(std::string_view text, bool slash_too);
/// Names and values encoded, sorted, joined with '&': a query, or the body of a form. Where queries
/// are signed, what is signed is what is sent.
std::string canonical_query(const std::vector<std::pair<std::string, std::string>>& query);

}  // namespace pgcairn::storage
