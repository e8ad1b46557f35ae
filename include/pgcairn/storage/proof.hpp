#pragma once

#include <pgcairn/storage/driver.hpp>

#include <string_view>

namespace pgcairn::storage {

/// Proves with the object `key`, which is nothing else's, what leases, WAL and catalog rely on: an
/// object that exists is not replaced by a put, what was put is read (whole and in part) and
/// listed at once. Stores were seen that answer 200 to If-None-Match and overwrite. Leaves the
/// object there: credentials that may only add can do it as often as they like. Throws Error
/// naming what the store does instead.
void prove_store(Driver& driver, std::string_view key);

}  // namespace pgcairn::storage
