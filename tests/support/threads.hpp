#pragma once

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

}  // namespace pgcairn::test
