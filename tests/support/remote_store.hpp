#pragma once

#include <pgcairn/storage/drivers.hpp>

#include <memory>
#include <string>

namespace pgcairn::test {

/// A server that the tests in Python have started, for runs of the driver's contract alone. They
/// tell of it in the environment: PGCAIRN_TEST_STORE is its type, PGCAIRN_TEST_ENDPOINT, _BUCKET,
/// _ACCOUNT and _CA how it is reached, and the provider's own variables hold the credentials.
bool has_remote_store();
/// False for each store but the one that the environment names, when it names one.
bool is_chosen(const std::string& store);
/// Its driver, with keys that begin with `prefix`.
std::unique_ptr<storage::Driver> make_remote_store(const std::string& prefix);

}  // namespace pgcairn::test
