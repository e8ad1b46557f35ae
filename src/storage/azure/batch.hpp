#pragma once

#include "azure/shared_key.hpp"
#include "azure/xml.hpp"
#include "http/store_request.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pgcairn::storage {

// Blob Batch: many requests in one, as multipart/mixed (learn.microsoft.com, "Blob Batch"). Pure.

/// The Content-Type of a batch's body.
std::string azure_batch_type();
/// The body of a batch. The requests are authorized each by itself.
std::string azure_batch_body(std::span<const StoreRequest> requests, const AzureKeys& keys);

/// The answer to one request of a batch.
struct AzurePart {
  int status = 0;  // 0: it was not answered, so it is not known to be done
  StoreError error{};
};
/// The answers to `count` requests, in their order. An answer to the batch as a whole counts for
/// each of them.
std::vector<AzurePart> parse_azure_batch(std::string_view content_type, std::string_view body,
                                         std::size_t count);

}  // namespace pgcairn::storage
