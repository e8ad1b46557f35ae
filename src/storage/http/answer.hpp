#pragma once

#include "http/client.hpp"

#include <pgcairn/common/time.hpp>
#include <pgcairn/storage/driver.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace pgcairn::storage {

// What answers of stores mean, whichever store it is.

/// What a store says is wrong.
struct StoreError {
  std::string code;     // stable, for programs
  std::string message;  // for people
};

/// "Sat, 21 Nov 2026 01:02:03 GMT", the form of HTTP's headers.
std::optional<Timestamp> parse_http_date(std::string_view text);
std::string format_http_date(Timestamp time);
/// "2026-11-21T01:02:03.123Z", the form of times in bodies; the fraction may have any length, and
/// is cut off.
std::optional<Timestamp> parse_rfc3339(std::string_view text);

/// Whether a Content-Range ("bytes 0-9/17") and that number of bytes are what was asked for.
bool is_range(std::string_view content_range, Range asked, std::uint64_t got_bytes);

/// Whether the same request may be answered better later: 408, 429 and 5xx.
bool may_pass(int status);
/// Whether the store does not take the credentials that it was shown: 401, 403, and what S3 says of
/// session tokens with 400 (docs.aws.amazon.com, "Error responses").
bool refuses_credentials(const HttpResponse& response);
/// Throws `message` as an error that may pass: ThrottledError when the store said in Retry-After
/// when it is to be asked again, TransientError otherwise.
[[noreturn]] void throw_transient(const HttpResponse& response, const std::string& message);

}  // namespace pgcairn::storage
