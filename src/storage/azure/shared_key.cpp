#include "azure/shared_key.hpp"

#include "http/answer.hpp"
#include "http/uri.hpp"

#include <pgcairn/common/text.hpp>
#include <pgcairn/crypto/digest.hpp>

#include <algorithm>

namespace pgcairn::storage {

namespace {

/// The resource as Shared Key signs it: "/" and the account stand before the path, which has the
/// account once more where the address does.
std::string canonical_resource(const StoreRequest& request, std::string_view account) {
  std::string text = format("/{}{}", account, request.path);
  auto query = request.query;
  std::sort(query.begin(), query.end());
  for (const auto& [name, value] : query) text += format("\n{}:{}", name, value);
  return text;
}

}  // namespace

std::string azure_string_to_sign(const StoreRequest& request, std::string_view account) {
  const auto header = [&](const std::string& name) {
    const auto found = request.headers.find(name);
    return found == request.headers.end() ? std::string() : found->second;
  };
  const std::string length = request.body.empty() ? "" : format("{}", request.body.size());
  std::string text = format("{}\n{}\n{}\n{}\n", request.method, header("content-encoding"),
                            header("content-language"), length);
  for (const char* const name : {"content-md5", "content-type", "date", "if-modified-since",
                                 "if-match", "if-none-match", "if-unmodified-since", "range"})
    text += header(name) + "\n";
  for (const auto& [name, value] : request.headers)
    if (name.starts_with("x-ms-")) text += format("{}:{}\n", name, value);
  return text + canonical_resource(request, account);
}

void authorize(StoreRequest& request, std::string_view account, const AzureKeys& keys,
               Timestamp when) {
  request.headers["x-ms-date"] = format_http_date(when);
  if (!keys.token.empty()) request.headers["authorization"] = "Bearer " + keys.token;
  if (keys.account_key.empty()) return;
  const std::string text = azure_string_to_sign(request, account);
  const crypto::Sha256 signature = crypto::hmac_sha256(as_bytes(keys.account_key), as_bytes(text));
  request.headers["authorization"] = format("SharedKey {}:{}", account, crypto::base64(signature));
}

std::string azure_target(const StoreRequest& request, const AzureKeys& keys) {
  std::string query = canonical_query(request.query);
  if (!query.empty() && !keys.sas.empty()) query += '&';
  query += keys.sas;
  return format("{}{}{}", request.path, query.empty() ? "" : "?", query);
}

}  // namespace pgcairn::storage
