#pragma once

#include <chrono>
#include <functional>
#include <shared_mutex>
#include <utility>

namespace pgcairn::storage {

/// Time that goes on while the machine is suspended, and that nobody can set.
using BootTime = std::chrono::nanoseconds;
BootTime time_since_boot();

/// What has to hold at the moment when a request is sent that cannot be taken back. Shared by a
/// driver and the code that knows what has to hold: from set() to clear() `check` is asked, and
/// what it throws is the operation's failure.
class Fence {
 public:
  using Check = std::function<void()>;
  /// Tests have a time of their own.
  explicit Fence(std::function<BootTime()> since_boot = time_since_boot)
      : since_boot_(std::move(since_boot)) {}

  BootTime since_boot() const { return since_boot_(); }
  void set(Check check);
  /// Returns when no thread is in `check` any more.
  void clear();
  void pass();

 private:
  std::function<BootTime()> since_boot_;
  std::shared_mutex mutex_;
  Check check_;
};

}  // namespace pgcairn::storage
