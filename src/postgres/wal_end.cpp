#include <pgcairn/postgres/wal_end.hpp>

#include <algorithm>
#include <cstring>

namespace pgcairn::postgres {

namespace {

// XLogPageHeaderData: magic, info, timeline, address, bytes left of a record from the page before.
constexpr std::size_t kInfoAt = 2;
constexpr std::size_t kAddressAt = 8;
constexpr std::size_t kLeftOverAt = 16;
constexpr std::size_t kShortHeaderBytes = 24;
constexpr std::size_t kLongHeaderBytes = 40;
constexpr std::uint16_t kContinued = 0x0001;    // XLP_FIRST_IS_CONTRECORD
constexpr std::uint16_t kLongHeader = 0x0002;   // XLP_LONG_HEADER
constexpr std::uint16_t kOverwritten = 0x0008;  // XLP_FIRST_IS_OVERWRITE_CONTRECORD

// XLogRecord: tot_len, xid, prev, info, rmid, two bytes of padding, crc.
constexpr std::size_t kPreviousAt = 8;
constexpr std::size_t kRecordInfoAt = 16;
constexpr std::size_t kManagerAt = 17;
constexpr std::size_t kCrcAt = 20;
constexpr std::uint64_t kMostRecordBytes = 1020 * kMiB;  // XLogRecordMaxSize
constexpr std::uint8_t kXlogManager = 0;
constexpr std::uint8_t kSwitch = 0x40;  // XLOG_SWITCH

}  // namespace

void WalEndFinder::add(Bytes piece) {
  while (!piece.empty()) {
    const std::size_t count = std::min(piece.size(), kPageBytes - filled_);
    std::memcpy(page_.data() + filled_, piece.data(), count);
    filled_ += count;
    piece = piece.subspan(count);
    if (filled_ < kPageBytes) return;
    read_page();
    filled_ = 0;
    at_.value += kPageBytes;
    first_page_ = false;
  }
}

WalEnd WalEndFinder::finish() {
  // The rest of the last record is in the next segment: all of this one counts.
  if (!ended_ && remaining_ != 0 && known_) {
    if (is_sound()) {
      end_.records = at_;
    } else {
      end_at_record(Lsn{at_.value - kPageBytes});
    }
  }
  ended_ = true;
  return end_;
}

/// The record in hand is damaged, or no record. Where it goes on from page to page, as far as
/// `page`, these were written for this segment anyway.
void WalEndFinder::end_at_record(Lsn page) {
  ended_ = true;
  if (record_start_ < page) end_.goes_on = true;
}

void WalEndFinder::read_page() {
  const Bytes page(page_);
  const auto info = load_le<std::uint16_t>(page.data() + kInfoAt);
  if (load_le<std::uint64_t>(page.data() + kAddressAt) != at_.value) {
    ended_ = true;  // zeros, or of an earlier use of the file
    return;
  }
  const auto magic = load_le<std::uint16_t>(page.data());
  if (first_page_) magic_ = magic;
  if (ended_ || magic != magic_ ||
      !continue_record(info, load_le<std::uint32_t>(page.data() + kLeftOverAt))) {
    ended_ = true;
    end_.goes_on = true;
    return;
  }
  read_records(page, (info & kLongHeader) != 0 ? kLongHeaderBytes : kShortHeaderBytes);
}

/// Does the page begin with what has to come?
bool WalEndFinder::continue_record(std::uint16_t info, std::uint32_t left_over) {
  if ((info & kContinued) != 0) {
    if (first_page_) {
      known_ = false;
      remaining_ = left_over;
    }
    return left_over != 0 && remaining_ == left_over;
  }
  // A record whose rest was lost in a crash is given up there (XLOG_OVERWRITE_CONTRECORD).
  const bool was_cut = remaining_ != 0;
  remaining_ = 0;
  return !was_cut || (info & kOverwritten) != 0;
}

void WalEndFinder::read_records(Bytes page, std::size_t at) {
  while (at < page.size() && !ended_) {
    if (remaining_ == 0 && !begin_record(page.subspan(at), Lsn{at_.value + at})) {
      ended_ = true;
      return;
    }
    const std::size_t count = std::min<std::uint64_t>(remaining_, page.size() - at);
    take(page.subspan(at, count));
    remaining_ -= count;
    at += count;
    if (remaining_ != 0) return;
    if (known_) end_record(Lsn{at_.value + at});
    at = (at + 7) / 8 * 8;
  }
}

bool WalEndFinder::begin_record(Bytes rest, Lsn start) {
  const auto length = load_le<std::uint32_t>(rest.data());
  if (length < kRecordBytes || length > kMostRecordBytes) return false;
  known_ = true;
  remaining_ = length;
  record_start_ = start;
  header_bytes_ = 0;
  crc_ = 0;
  return true;
}

void WalEndFinder::take(Bytes piece) {
  if (!known_) return;
  const std::size_t count = std::min(piece.size(), kRecordBytes - header_bytes_);
  std::memcpy(header_.data() + header_bytes_, piece.data(), count);
  header_bytes_ += count;
  if (count < piece.size()) crc_ = crc32c(piece.subspan(count), crc_);
}

/// As far as the header tells. What an earlier use of the file left is linked to another record.
bool WalEndFinder::is_sound() const {
  if (header_bytes_ < kRecordBytes) return true;
  const auto previous = load_le<std::uint64_t>(header_.data() + kPreviousAt);
  return record_before_.value == 0 ? previous < record_start_.value
                                   : previous == record_before_.value;
}

void WalEndFinder::end_record(Lsn end) {
  const std::uint32_t crc = crc32c(Bytes(header_).first(kCrcAt), crc_);
  if (!is_sound() || crc != load_le<std::uint32_t>(header_.data() + kCrcAt))
    return end_at_record(at_);
  record_before_ = record_start_;
  end_.records = whole_ = end;
  const auto info = load_le<std::uint8_t>(header_.data() + kRecordInfoAt);
  const auto manager = load_le<std::uint8_t>(header_.data() + kManagerAt);
  if (manager == kXlogManager && (info & 0xF0) == kSwitch) ended_ = true;
}

}  // namespace pgcairn::postgres
