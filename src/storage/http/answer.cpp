#include "http/answer.hpp"

#include "throttled_error.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <array>
#include <ctime>

namespace pgcairn::storage {

namespace {

constexpr const char* kHttpDate = "%a, %d %b %Y %H:%M:%S GMT";
constexpr std::uint64_t kLongestWaitSeconds = 3600;

}  // namespace

std::optional<Timestamp> parse_http_date(std::string_view text) {
  std::tm parts{};
  const std::string whole(text);
  const char* const rest = strptime(whole.c_str(), kHttpDate, &parts);
  if (rest == nullptr || *rest != '\0') return std::nullopt;
  return Timestamp(std::chrono::seconds(timegm(&parts)));
}

std::string format_http_date(Timestamp time) {
  const std::time_t seconds =
      std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  return {text.data(), std::strftime(text.data(), text.size(), kHttpDate, &parts)};
}

std::optional<Timestamp> parse_rfc3339(std::string_view text) {
  const std::size_t dot = text.find('.');
  if (dot == std::string_view::npos || !text.ends_with('Z')) return parse_utc(text);
  return parse_utc(std::string(text.substr(0, dot)) + "Z");
}

bool is_range(std::string_view content_range, Range asked, std::uint64_t got_bytes) {
  constexpr std::string_view unit = "bytes ";
  const std::size_t dash = content_range.find('-');
  const std::size_t slash = content_range.find('/');
  if (!content_range.starts_with(unit) || dash == std::string_view::npos ||
      slash == std::string_view::npos)
    return false;
  const auto first = parse_u64(content_range.substr(unit.size(), dash - unit.size()));
  const auto total_bytes = parse_u64(content_range.substr(slash + 1));
  return first == asked.offset_bytes && total_bytes && *total_bytes >= asked.offset_bytes &&
         got_bytes == std::min(asked.length_bytes, *total_bytes - asked.offset_bytes);
}

bool may_pass(int status) {
  // 501 and 505 are about the request itself, which would be the same the next time.
  return (status >= 500 && status != 501 && status != 505) || status == 408 || status == 429;
}

bool refuses_credentials(const HttpResponse& response) {
  if (response.status == 401 || response.status == 403) return true;
  const auto says = [&](std::string_view code) {
    return as_text(response.body).find(code) != std::string_view::npos;
  };
  return response.status == 400 && (says("<Code>ExpiredToken<") || says("<Code>InvalidToken<") ||
                                    says("<Code>TokenRefreshRequired<"));
}

void throw_transient(const HttpResponse& response, const std::string& message) {
  if (const auto seconds = parse_u64(response.header("retry-after")))
    throw ThrottledError(message, std::chrono::seconds(std::min(*seconds, kLongestWaitSeconds)));
  throw TransientError(message);
}

}  // namespace pgcairn::storage
