#pragma once

#include <string_view>

namespace pgcairn::storage {

/// Whether check_key() takes it: what a store lists may have been put there by others.
bool is_key(std::string_view text);

}  // namespace pgcairn::storage
