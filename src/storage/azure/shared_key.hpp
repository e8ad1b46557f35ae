#pragma once

#include <pgcairn/common/bytes.hpp>
#include <pgcairn/common/time.hpp>

#include <map>
#include <string>
#include <string_view>
#include <utility>
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

struct AzureRequest {
  std::string method;
  std::string path;  // as in the address: it needs no escapes
  std::vector<std::pair<std::string, std::string>> query{};  // not encoded
  std::map<std::string, std::string> headers{};              // names in lower case
  Bytes body{};
};

/// What follows the host in the request's address. Holds the signature when there is one, so it is
/// for no message.
std::string azure_target(const AzureRequest& request, const AzureKeys& keys);

/// Adds x-ms-date, and authorization where `keys` need one. All headers that count are signed.
void authorize(AzureRequest& request, std::string_view account, const AzureKeys& keys,
               Timestamp when);

/// What an account key signs, for tests against the published examples.
std::string azure_string_to_sign(const AzureRequest& request, std::string_view account);

}  // namespace pgcairn::storage
