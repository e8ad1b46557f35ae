#include "http/batch.hpp"

#include <pgcairn/common/lower_case.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <optional>

namespace pgcairn::storage {

namespace {

using Headers = std::map<std::string, std::string>;

/// The text up to `end`, which is taken off `text` with it; all of it when it does not come.
std::string_view cut(std::string_view& text, std::string_view end) {
  const std::size_t at = text.find(end);
  const std::string_view before = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + end.size());
  return before;
}

/// Header lines up to the empty one.
Headers cut_headers(std::string_view& text) {
  Headers headers;
  while (!text.empty()) {
    std::string_view line = cut(text, "\r\n");
    if (line.empty()) break;
    const std::string name = lower_case(cut(line, ":"));
    headers[name] = trim(line);
  }
  return headers;
}

/// "multipart/mixed; boundary=x": "x". Empty: there is none.
std::string_view boundary_of(std::string_view content_type) {
  if (!content_type.starts_with("multipart/mixed")) return {};
  cut(content_type, "boundary=");
  std::string_view boundary = trim(cut(content_type, ";"));
  if (boundary.size() >= 2 && boundary.front() == '"')
    boundary = boundary.substr(1, boundary.size() - 2);
  return boundary;
}

std::optional<BatchedAnswer> read_part(std::string_view part) {
  BatchedAnswer answer;
  answer.id = cut_headers(part)["content-id"];
  std::string_view line = cut(part, "\r\n");
  if (!line.starts_with("HTTP/")) return std::nullopt;
  cut(line, " ");
  const auto status = parse_u64(cut(line, " "));
  if (!status || *status > 999) return std::nullopt;
  answer.status = static_cast<int>(*status);
  answer.headers = cut_headers(part);
  answer.body = trim(part);
  return answer;
}

}  // namespace

std::vector<BatchedAnswer> parse_batch(std::string_view content_type, std::string_view body) {
  std::vector<BatchedAnswer> answers;
  const std::string_view boundary = boundary_of(content_type);
  if (boundary.empty()) return answers;
  const std::string delimiter = format("--{}", boundary);
  cut(body, delimiter);
  while (body.starts_with("\r\n")) {
    body.remove_prefix(2);
    std::string_view part = cut(body, delimiter);
    // Behind the last part stands the delimiter once more: without it the part was cut off.
    if (body.empty()) break;
    if (auto answer = read_part(part)) answers.push_back(std::move(*answer));
  }
  return answers;
}

}  // namespace pgcairn::storage
