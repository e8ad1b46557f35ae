#include "wal/guard.hpp"

#include <algorithm>
#include <filesystem>

namespace pgcairn::engine {

namespace {

std::string plain(const std::string& path) {
  std::string text = std::filesystem::path(path).lexically_normal().native();
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

}  // namespace

bool is_allowed(const std::string& location, const std::vector<std::string>& allowed) {
  return std::any_of(allowed.begin(), allowed.end(),
                     [&](const std::string& one) { return plain(one) == plain(location); });
}

GuardedSegment::GuardedSegment(const WalGuard& guard, Lsn start)
    : guard_(guard),
      start_(start),
      next_(start),
      reader_([this](const postgres::WalRecord& record) {
        // What ended in the segment before was looked at there.
        if (forbidden_ || record.end <= start_ || record.start < guard_.from) return;
        const auto created = postgres::created_tablespace(record);
        if (created && !is_allowed(created->location, guard_.allowed)) forbidden_ = created;
      }) {}

void GuardedSegment::add(Bytes piece, const std::function<Buffer()>& last_page_before) {
  rest_.append(piece);
  const std::size_t whole = rest_.size() / postgres::kWalPageBytes * postgres::kWalPageBytes;
  if (whole == 0) return;
  const Bytes pages = rest_.bytes().first(whole);
  // Recovery does not replay what begins before `from`.
  if (next_ == start_ && guard_.from < start_ &&
      postgres::may_continue_tablespace(pages.first(postgres::kWalPageBytes))) {
    const Buffer before = last_page_before();
    if (before.size() == postgres::kWalPageBytes)
      reader_.read(before, Lsn{start_.value - postgres::kWalPageBytes});
  }
  reader_.read(pages, next_);
  next_.value += whole;
  Buffer kept;
  kept.append(rest_.bytes().subspan(whole));
  rest_ = std::move(kept);
}

std::uint64_t GuardedSegment::harmless_bytes() const {
  return forbidden_ && forbidden_->start > start_ ? forbidden_->start.value - start_.value : 0;
}

}  // namespace pgcairn::engine
