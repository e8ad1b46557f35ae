#include "http/remote_driver.hpp"

#include "http/ranged_get.hpp"
#include "key.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>
#include <pgcairn/storage/object_locked_error.hpp>

#include <algorithm>
#include <utility>

namespace pgcairn::storage {

namespace {

constexpr unsigned kConnections = 16;

std::string in_words(int status, const StoreError& error) {
  return format("{}{}{}{}", status, error.code.empty() ? "" : " ", error.code,
                error.message.empty() ? "" : format(" ({})", error.message));
}

}  // namespace

HttpRequest addressed(const StoreRequest& request, std::string url) {
  HttpRequest made;
  made.method = request.method;
  made.url = std::move(url);
  made.headers = request.headers;
  made.body = request.body;
  made.most_body_bytes = request.most_body_bytes;
  made.before_body = request.before_body;
  made.after_body = request.after_body;
  return made;
}

Features RemoteDriver::features() const {
  return {.create_only = true, .strong_listing = true, .connections = kConnections};
}

bool RemoteDriver::put(std::string_view key, Bytes body, IfExists if_exists) {
  check_key(key);
  if (create(key, body)) return true;
  if (if_exists == IfExists::keep) return false;
  throw ConflictError(format("cannot create \"{}\" in {}: it exists already", key, where()));
}

bool RemoteDriver::get(std::string_view key, Range range, Buffer& out) {
  check_key(key);
  const RangedGet part(range);
  StoreRequest request = get_request(key);
  request.most_body_bytes = part.most_body_bytes();
  if (const std::string header = part.header(); !header.empty()) request.headers["range"] = header;
  HttpResponse response = sign_and_send(request, std::exchange(out, {}));
  if (is_absent(request, response)) return false;
  if (!part.is_answer(response.status)) fail(format("reading \"{}\"", key), response);
  if (part.has_no_bytes(response.status)) return true;
  out = std::move(response.body);
  std::string flaw = flaw_of(response, out);
  if (flaw.empty() && !part.is_whole(response, out.size())) flaw = "is incomplete";
  if (!flaw.empty())
    throw TransientError(format("the answer with \"{}\" from {} {}", key, where(), flaw));
  return true;
}

std::string RemoteDriver::flaw_of(const HttpResponse& /*response*/, Bytes /*content*/) const {
  return {};
}

std::optional<Object> RemoteDriver::stat(std::string_view key) {
  check_key(key);
  const StoreRequest request = stat_request(key);
  const HttpResponse response = send(request);
  if (is_absent(request, response)) return std::nullopt;
  if (response.status != 200) fail(format("looking for \"{}\"", key), response);
  return object_of(key, response);
}

Object RemoteDriver::object_of(std::string_view key, const HttpResponse& response) const {
  const auto size = parse_u64(response.header("content-length"));
  const auto modified = parse_http_date(response.header("last-modified"));
  if (!size || !modified)
    throw Error(format("the answer about \"{}\" from {} has an unknown format", key, where()));
  return Object{std::string(key), *size, *modified};
}

ListedPage RemoteDriver::list_page(std::string_view prefix, const std::string& token,
                                   bool by_folder) {
  StoreRequest request = list_request(name_of(prefix), token);
  if (by_folder) request.query.emplace_back("delimiter", "/");
  const HttpResponse response = send_for(200, request, format("listing \"{}\"", prefix));
  return page_of(as_text(response.body));
}

void RemoteDriver::list(std::string_view prefix, const std::function<void(const Object&)>& visit) {
  check_prefix(prefix);
  const auto fetch = [&](const std::string& token) { return list_page(prefix, token, false); };
  visit_pages(fetch, store_.prefix, where(), visit);
}

std::vector<std::string> RemoteDriver::folders(std::string_view prefix) {
  check_folder(prefix);
  const auto fetch = [&](const std::string& token) { return list_page(prefix, token, true); };
  return folders_of_pages(fetch, name_of(prefix), where());
}

void RemoteDriver::remove(std::span<const std::string> keys) {
  for (const std::string& key : keys) check_key(key);
  remove_in_batches(keys, store_.most_removed_at_once,
                    [this](std::span<const std::string> batch) { remove_batch(batch); });
}

std::optional<std::vector<StoreRule>> RemoteDriver::harmful_rules() {
  const auto request = rules_request();
  if (!request) return std::nullopt;
  const HttpResponse response = send(*request);
  const bool has_none = response.status == 404;
  if (response.status == 200 || has_none) return rules_of(response, store_.prefix);
  // Credentials need no permission for it, and stores without such rules answer as they like: that
  // is no reason to call the repository unreadable.
  log_detail(format("the lifecycle rules of {} are not known: {}", where(),
                    in_words(response.status, error_of(response))));
  return std::nullopt;
}

void RemoteDriver::require_removed(std::span<const NotRemoved> left, std::size_t asked) {
  if (left.empty()) return;
  const auto wrong =
      std::find_if(left.begin(), left.end(), [](const NotRemoved& one) { return !one.kept; });
  const NotRemoved& first = wrong == left.end() ? left.front() : *wrong;
  const std::string message = format(
      "removing \"{}\" in {} failed: {}; {} of {} objects are not removed", first.key, where(),
      first.status == 0 ? "the store gave no answer for it" : in_words(first.status, first.error),
      left.size(), asked);
  if (first.kept) throw ObjectLockedError(message, kept_until(first.key));
  if (first.status == 0 || may_pass(first.status)) throw TransientError(message);
  HttpResponse response;
  response.status = first.status;
  throw Error(message, hint_of(response, first.error));
}

std::optional<Timestamp> RemoteDriver::kept_until(std::string_view /*key*/) {
  return std::nullopt;
}

HttpResponse RemoteDriver::send_for(int success, const StoreRequest& request,
                                    const std::string& what) {
  HttpResponse response = send(request);
  if (response.status != success) fail(what, response);
  return response;
}

void RemoteDriver::fail(const std::string& what, const HttpResponse& response) {
  const StoreError error = error_of(response);
  std::string message =
      format("{} in {} failed: {}", what, where(), in_words(response.status, error));
  const std::string id = response.header(store_.request_id_header);
  if (!id.empty()) message += format(", request {}", id);
  if (may_pass(response.status) || is_temporary(response.status, error))
    throw_transient(response, message);
  throw Error(message, hint_of(response, error));
}

}  // namespace pgcairn::storage
