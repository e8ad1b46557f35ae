#pragma once

#include "http/store_request.hpp"

#include <pgcairn/common/time.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::storage {

// How requests to Azure Storage are authorized (learn.microsoft.com, "Authorize with Shared Key").
// Pure.

/// One of three.
struct AzureKeys {
  std::string account_key{};  // its bytes; signs requests
  std::string sas{};          // a shared access signature: a query that is part of every address
  std::string token{};        // of a managed or workload identity
};
inline std::vector<std::string*> words_of(AzureKeys& keys) {
  return {&keys.account_key, &keys.sas, &keys.token};
}

/// What follows the host in the request's address. Holds the signature when there is one, so it is
/// for no message.
std::string azure_target(const StoreRequest& request, const AzureKeys& keys);

/// Adds x-ms-date, and authorization where `keys` need one. All headers that count are signed.
void authorize(StoreRequest& request, std::string_view account, const AzureKeys& keys,
               Timestamp when);

/// What an account key signs, for tests against the published examples.
std::string azure_string_to_sign(const StoreRequest& request, std::string_view account);

}  // namespace pgcairn::storage
