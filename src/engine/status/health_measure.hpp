#pragma once

#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/engine/status/verdict.hpp>

#include <algorithm>
#include <chrono>
#include <string>

namespace pgcairn::engine {

// What judge() and evaluate_health() measure by.

inline double seconds_between(Timestamp from, Timestamp to) {
  return std::max(0.0, std::chrono::duration<double>(to - from).count());
}

inline std::string words_of_age(double seconds) {
  return format_duration(milliseconds(static_cast<std::int64_t>(seconds * 1000)));
}

inline Timestamp seconds_of(Timestamp when) {
  return std::chrono::time_point_cast<Timestamp::duration>(
      std::chrono::floor<std::chrono::seconds>(when));
}

enum class Worse { above, below };

inline HealthLevel level_of(double value, const HealthLimit& limit, Worse worse) {
  const auto passed = [&](double end) {
    return end != 0 && (worse == Worse::above ? value > end : value < end);
  };
  if (passed(limit.critical)) return HealthLevel::critical;
  return passed(limit.warn) ? HealthLevel::warning : HealthLevel::ok;
}

inline bool is_set(const HealthLimit& limit) {
  return limit.warn != 0 || limit.critical != 0;
}

}  // namespace pgcairn::engine
