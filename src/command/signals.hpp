#pragma once

#include <pgcairn/common/file.hpp>

#include <atomic>
#include <functional>
#include <stop_token>
#include <thread>

namespace pgcairn::command {

/// SIGINT, SIGTERM and SIGHUP ask for a clean end: the first requests a stop, the second ends the
/// process at once. Blocks these signals in the calling thread, and so in all that it starts: make
/// it before any other thread. A thread of its own waits for them.
class SignalWatch {
 public:
  /// `hasty_code` gives the exit status for an end without cleaning up. When `grace` is not zero,
  /// a run that has not ended this long after the first signal is ended so too: the archive verbs
  /// must not keep a server from shutting down because a store hangs.
  SignalWatch(std::function<int(int signal)> hasty_code, std::chrono::milliseconds grace);
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  std::stop_token stop_token() const { return stop_.get_token(); }
  /// The signal that asked first; 0: none.
  int received() const { return received_; }

 private:
  void watch();

  std::function<int(int)> hasty_code_;
  std::chrono::milliseconds grace_;
  std::stop_source stop_;
  std::atomic<int> received_ = 0;
  Fd signals_;
  Fd end_;
  std::jthread thread_;
};

}  // namespace pgcairn::command
