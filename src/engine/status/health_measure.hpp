#pragma once

#include <pgcairn/common/text.hpp>
#include <pgcairn/common/time.hpp>
#include <pgcairn/engine/status/verdict.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

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

/// Collects what is found, in order.
class Findings {
 public:
  /// What follows is about this repository; empty: about none.
  void about(std::string repository) { repository_ = std::move(repository); }

  HealthFinding& add(std::string check, HealthLevel level, std::string message) {
    found_.push_back({std::move(check), repository_, level, std::move(message), {}, {}, {}});
    return found_.back();
  }
  void add(HealthFinding finding) { found_.push_back(std::move(finding)); }
  /// A value, and the level that the limit gives it.
  void measure(std::string check, double value, std::string unit, const HealthLimit& limit,
               Worse worse, std::string message) {
    HealthFinding& finding =
        add(std::move(check), level_of(value, limit, worse), std::move(message));
    finding.value = value;
    finding.unit = std::move(unit);
    finding.limit = limit;
  }
  std::vector<HealthFinding> take() { return std::move(found_); }

 private:
  std::string repository_;
  std::vector<HealthFinding> found_;
};

}  // namespace pgcairn::engine
