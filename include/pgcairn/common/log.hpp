#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace pgcairn {

/// Least important last.
enum class LogLevel { error, warn, info, detail, debug };

std::string_view name_of(LogLevel level);

/// Where lines go: the command room sets it once at start; until then lines are dropped. Called
/// from any thread, one at a time.
using LogSink = std::function<void(LogLevel, std::string_view line)>;
void set_log(LogLevel most_detailed, LogSink sink);

bool log_enabled(LogLevel level);
void log(LogLevel level, std::string_view line);
inline void log_warn(std::string_view line) {
  log(LogLevel::warn, line);
}
inline void log_info(std::string_view line) {
  log(LogLevel::info, line);
}
inline void log_detail(std::string_view line) {
  log(LogLevel::detail, line);
}
inline void log_debug(std::string_view line) {
  log(LogLevel::debug, line);
}

}  // namespace pgcairn
