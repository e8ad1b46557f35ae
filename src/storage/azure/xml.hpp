#pragma once

#include "http/answer.hpp"
#include "http/paged_listing.hpp"

#include <string>
#include <string_view>

namespace pgcairn::storage {

// What Azure Storage answers. Pure.

/// Empty members when `text` is not an error of Azure's. Of the message it is the first line: times
/// and ids follow, and what was signed.
StoreError parse_azure_error(std::string_view text);

/// Throws Error when `text` is not a page of List Blobs, or does not say whether it is the last: a
/// listing is complete or an error. `where` is for the message.
ListedPage parse_azure_page(std::string_view text, const std::string& where);

}  // namespace pgcairn::storage
