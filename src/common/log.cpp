#include <pgcairn/common/log.hpp>

#include <atomic>
#include <mutex>

namespace pgcairn {

namespace {

std::mutex mutex;
std::atomic<LogLevel> threshold = LogLevel::warn;
LogSink sink;

}  // namespace

std::string_view name_of(LogLevel level) {
  static constexpr std::string_view names[] = {"error", "warn", "info", "detail", "debug"};
  return names[static_cast<std::size_t>(level)];
}

void set_log(LogLevel most_detailed, LogSink new_sink) {
  std::lock_guard lock(mutex);
  threshold = most_detailed;
  sink = std::move(new_sink);
}

bool log_enabled(LogLevel level) {
  return level <= threshold;
}

void log(LogLevel level, std::string_view line) {
  if (!log_enabled(level)) return;
  std::lock_guard lock(mutex);
  if (sink) sink(level, line);
}

}  // namespace pgcairn
