#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <utility>

namespace pgcairn::test {

/// Runs `action` on a thread of its own and waits; what it throws comes through. So what it does to
/// its thread ends with it.
void on_own_thread(const std::function<void()>& action);

/// Runs `action` without root's rights (as nobody when we are root).
void unprivileged(const std::function<void()>& action);

/// A system call's number and the errno that it fails with.
using FailingCall = std::pair<long, int>;

/// Runs `action` while the system calls fail as said, on this thread only. False: not possible
/// here, and nothing was run.
bool with_failing_calls(std::initializer_list<FailingCall> calls,
                        const std::function<void()>& action);

/// One of the system calls that are watched, before it happens: its number and arguments.
struct WatchedCall {
  long number = 0;
  std::uint64_t arguments[6] = {};
};

/// Runs `action` on a thread of its own; before each of the system calls `calls` of that thread
/// `look` is asked, on another thread: 0 lets it happen, an errno makes it fail. False: not
/// possible here, and nothing was run.
bool with_watched_calls(std::initializer_list<long> calls,
                        const std::function<int(const WatchedCall&)>& look,
                        const std::function<void()>& action);

}  // namespace pgcairn::test
