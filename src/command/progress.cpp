#include "progress.hpp"

#include <pgcairn/common/text.hpp>

#include <algorithm>

namespace pgcairn::command {

std::string progress_text(std::string_view phase, std::uint64_t done_bytes,
                          std::uint64_t total_bytes, milliseconds elapsed) {
  std::string text(phase);
  if (total_bytes == 0 && done_bytes == 0) return text;
  if (total_bytes == 0) return text + "  " + format_size(done_bytes);
  // Files may grow while they are read: never more than all of it.
  const std::uint64_t done = std::min(done_bytes, total_bytes);
  const double share = static_cast<double>(done) / static_cast<double>(total_bytes);
  text += format("  {}%  {} of {}", static_cast<int>(share * 100), format_size(done),
                 format_size(total_bytes));
  // Less than a second tells no rate.
  if (elapsed.count() < 1000 || done == 0) return text;
  const double bytes_per_ms = static_cast<double>(done) / static_cast<double>(elapsed.count());
  text += format("  {}/s", format_size(static_cast<std::uint64_t>(bytes_per_ms * 1000)));
  const auto left_ms =
      static_cast<std::int64_t>(static_cast<double>(total_bytes - done) / bytes_per_ms);
  return text + format("  {} left", format_duration(milliseconds(left_ms)));
}

ProgressLine::~ProgressLine() {
  console_.progress("");
}

void ProgressLine::phase(std::string_view name, std::uint64_t total_bytes) {
  std::lock_guard lock(mutex_);
  name_ = name;
  total_bytes_ = total_bytes;
  done_bytes_ = 0;
  began_ = SteadyClock::now();
  show(began_);
}

void ProgressLine::advance(std::uint64_t bytes) {
  done_bytes_ += bytes;
  const auto now = SteadyClock::now();
  if (now.time_since_epoch().count() < next_) return;
  // The second one has nothing new to show.
  std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock.owns_lock() && now.time_since_epoch().count() >= next_) show(now);
}

void ProgressLine::show(SteadyClock::time_point now) {
  const auto interval =
      console_.terminal() ? SteadyClock::duration(milliseconds(100)) : std::chrono::seconds(30);
  next_ = (now + interval).time_since_epoch().count();
  if (!console_.terminal() && !log_enabled(LogLevel::detail)) return;
  const auto elapsed = std::chrono::duration_cast<milliseconds>(now - began_);
  std::string text = progress_text(name_, done_bytes_, total_bytes_, elapsed);
  if (console_.terminal()) {
    console_.progress(std::move(text));
  } else {
    log_detail(text);
  }
}

}  // namespace pgcairn::command
