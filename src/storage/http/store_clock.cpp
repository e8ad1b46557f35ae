#include "http/store_clock.hpp"

#include "http/answer.hpp"

#include <pgcairn/common/log.hpp>
#include <pgcairn/common/text.hpp>

#include <chrono>

namespace pgcairn::storage {

namespace {

// Stores take 15 minutes (docs.aws.amazon.com, "Authenticating Requests"; learn.microsoft.com,
// "Authorize with Shared Key"). With less there is another reason.
constexpr std::chrono::minutes kLeastSkew{5};

}  // namespace

bool StoreClock::refuses_time(const HttpResponse& response, Timestamp signed_at) {
  if (!refuses_credentials(response)) return false;
  const auto theirs = parse_http_date(response.header("date"));
  if (!theirs || std::chrono::abs(*theirs - signed_at) < kLeastSkew) return false;
  // Another thread may have been told so already.
  if (std::chrono::abs(*theirs - now()) < kLeastSkew) return true;
  const auto ahead = std::chrono::floor<milliseconds>(*theirs - clock_.now());
  ahead_ms_ = ahead.count();
  if (std::chrono::abs(ahead) < kLeastSkew) return true;  // this machine's was set meanwhile
  log_warn(format(
      "this machine's clock is {} {} that of {}, which signs requests from now on: set "
      "it, since backups and recovery targets are named by it",
      format_duration(std::chrono::abs(ahead)), ahead.count() > 0 ? "behind" : "ahead of", where_));
  return true;
}

}  // namespace pgcairn::storage
