#include "http/ranged_get.hpp"

#include "http/answer.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::storage {

namespace {

constexpr std::uint64_t kMostErrorBytes = 64 * kKiB;
// An object is a pack or a WAL segment; the format's limits are far below.
constexpr std::uint64_t kMostObjectBytes = 2 * kGiB;

}  // namespace

RangedGet::RangedGet(Range range)
    : range_(range),
      whole_(range.offset_bytes == 0 && range.length_bytes >= kMostObjectBytes),
      nothing_(range.length_bytes == 0 || range.offset_bytes > INT64_MAX) {}

std::string RangedGet::header() const {
  if (whole_) return {};
  // A range of no bytes cannot be asked for: one is, and thrown away.
  if (nothing_) return "bytes=0-0";
  const std::uint64_t length_bytes = std::min(range_.length_bytes, kMostObjectBytes);
  return format("bytes={}-{}", range_.offset_bytes, range_.offset_bytes + length_bytes - 1);
}

std::uint64_t RangedGet::most_body_bytes() const {
  return whole_ ? kMostObjectBytes
                : std::clamp(range_.length_bytes, kMostErrorBytes, kMostObjectBytes);
}

bool RangedGet::is_answer(int status) const {
  return status == (whole_ ? 200 : 206) || has_no_bytes(status);
}

bool RangedGet::has_no_bytes(int status) const {
  return !whole_ && (status == 416 || (nothing_ && status == 206));
}

bool RangedGet::is_whole(const HttpResponse& response, std::uint64_t got_bytes) const {
  if (parse_u64(response.header("content-length")) != got_bytes) return false;
  return whole_ || is_range(response.header("content-range"), range_, got_bytes);
}

}  // namespace pgcairn::storage
