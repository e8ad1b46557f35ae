#pragma once

#include <pgcairn/common/bytes.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace pgcairn::storage {

/// A request to a store, before it has an address and a signature.
struct StoreRequest {
  std::string method;
  std::string path;                                          // as the store's addresses have it
  std::vector<std::pair<std::string, std::string>> query{};  // not encoded
  std::map<std::string, std::string> headers{};              // names in lower case
  Bytes body{};
  std::uint64_t most_body_bytes = 16 * kMiB;  // of the answer: a page of a listing has 5000 names
  // What is sent right before and behind `body`, which is not copied for that.
  Bytes before_body{};
  Bytes after_body{};
};

}  // namespace pgcairn::storage
