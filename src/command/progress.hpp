#pragma once

#include "console.hpp"

#include <pgcairn/common/time.hpp>
#include <pgcairn/engine/progress.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace pgcairn::command {

/// "copying  42%  1.2 GiB of 2.9 GiB  310 MiB/s  5.6s left"; without a total only what is done.
std::string progress_text(std::string_view phase, std::uint64_t done_bytes,
                          std::uint64_t total_bytes, milliseconds elapsed);

/// How far the engine is: on a terminal one line, rewritten at most ten times a second; on a pipe
/// log lines at detail level, one a phase and then one every 30 seconds at most.
class ProgressLine : public engine::Progress {
 public:
  explicit ProgressLine(Console& console) : console_(console) {}
  /// Takes the line away.
  ~ProgressLine() override;
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void phase(std::string_view name, std::uint64_t total_bytes) override;
  void advance(std::uint64_t bytes) override;

 private:
  using SteadyClock = std::chrono::steady_clock;
  void show(SteadyClock::time_point now);  // with mutex_ held

  Console& console_;
  std::atomic<std::uint64_t> done_bytes_ = 0;
  std::atomic<SteadyClock::rep> next_ = 0;  // when it is to be shown again
  std::mutex mutex_;
  std::string name_;
  std::uint64_t total_bytes_ = 0;
  SteadyClock::time_point began_;
};

}  // namespace pgcairn::command
