#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::storage {

/// One of the answers in the answer to a batch of requests.
struct BatchedAnswer {
  std::string id;  // the Content-ID of its part
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

/// The parts of a body of multipart/mixed (RFC 2046) that each hold an answer of HTTP, in its
/// order. A part that is not whole is left out: the caller knows what has to be answered. Pure.
std::vector<BatchedAnswer> parse_batch(std::string_view content_type, std::string_view body);

}  // namespace pgcairn::storage
