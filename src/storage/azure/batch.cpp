#include "azure/batch.hpp"

#include "http/batch.hpp"

#include <pgcairn/common/text.hpp>

namespace pgcairn::storage {

namespace {

// Nothing in a batch looks like it: targets are keys, headers are dates and base64.
constexpr std::string_view kBoundary = "batch-of-pgcairn";

}  // namespace

std::string azure_batch_type() {
  return format("multipart/mixed; boundary={}", kBoundary);
}

std::string azure_batch_body(std::span<const StoreRequest> requests, const AzureKeys& keys) {
  std::string body;
  std::size_t id = 0;
  for (const StoreRequest& request : requests) {
    body += format(
        "--{}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
        "Content-ID: {}\r\n\r\n{} {} HTTP/1.1\r\n",
        kBoundary, id++, request.method, azure_target(request, keys));
    for (const auto& [name, value] : request.headers) body += format("{}: {}\r\n", name, value);
    body += "Content-Length: 0\r\n\r\n";
  }
  return body + format("--{}--\r\n", kBoundary);
}

std::vector<AzurePart> parse_azure_batch(std::string_view content_type, std::string_view body,
                                         std::size_t count) {
  std::vector<AzurePart> parts(count);
  AzurePart of_all;  // an answer without an id is to the batch as a whole
  for (const BatchedAnswer& answer : parse_batch(content_type, body)) {
    AzurePart part{answer.status, parse_azure_error(answer.body)};
    if (const auto code = answer.headers.find("x-ms-error-code"); code != answer.headers.end())
      part.error.code = code->second;
    const auto id = parse_u64(answer.id);
    if (id && *id < count) {
      parts[*id] = std::move(part);
    } else if (answer.id.empty() && part.status / 100 != 2) {
      of_all = std::move(part);
    }
  }
  for (AzurePart& part : parts) {
    if (part.status == 0) part = of_all;
  }
  return parts;
}

}  // namespace pgcairn::storage
