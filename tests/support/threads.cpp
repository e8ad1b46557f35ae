#include "support/threads.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <future>
#include <thread>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace pgcairn::test {

void on_own_thread(const std::function<void()>& action) {
  std::exception_ptr error;
  std::thread([&] {
    try {
      action();
    } catch (...) {
      error = std::current_exception();
    }
  }).join();
  if (error) std::rethrow_exception(error);
}

void unprivileged(const std::function<void()>& action) {
  on_own_thread([&] {
    constexpr int nobody = 65534;
    // The calls themselves: the C library would change all threads.
    if (::geteuid() == 0 && (::syscall(SYS_setresgid, nobody, nobody, nobody) != 0 ||
                             ::syscall(SYS_setresuid, nobody, nobody, nobody) != 0))
      throw SystemError("cannot become nobody", errno);
    action();
  });
}

namespace {

constexpr std::uint32_t kWatch = SECCOMP_RET_USER_NOTIF;

/// What becomes of calls, by number. With kWatch: the descriptor to listen at; otherwise 0. -1: not
/// possible.
int install(const std::vector<std::pair<long, std::uint32_t>>& calls) {
#if defined(__x86_64__)
  constexpr std::uint32_t architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
  constexpr std::uint32_t architecture = AUDIT_ARCH_AARCH64;
#else
  constexpr std::uint32_t architecture = 0;
#endif
  std::vector<sock_filter> filter{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  bool watches = false;
  for (const auto& [number, fate] : calls) {
    watches = watches || fate == kWatch;
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, fate));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (architecture == 0 || ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                                    watches ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0, &program));
}

/// Answers for the calls of the thread that `listener` is about, until it is done.
void answer(int listener, const std::function<int(const WatchedCall&)>& look,
            const std::atomic<bool>& done) {
  constexpr int pause_ms = 20;
  while (!done) {
    pollfd ready{listener, POLLIN, 0};
    if (::poll(&ready, 1, pause_ms) <= 0 || (ready.revents & POLLIN) == 0) continue;
    seccomp_notif call{};
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;
    WatchedCall watched;
    watched.number = call.data.nr;
    std::copy(std::begin(call.data.args), std::end(call.data.args), watched.arguments);
    const int error_number = look(watched);
    seccomp_notif_resp response{};
    response.id = call.id;
    response.error = -error_number;
    if (error_number == 0) response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
  }
}

}  // namespace

bool with_failing_calls(std::initializer_list<FailingCall> calls,
                        const std::function<void()>& action) {
  std::vector<std::pair<long, std::uint32_t>> fates;
  for (const auto& [number, error_number] : calls)
    fates.emplace_back(number, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error_number));
  bool possible = false;
  on_own_thread([&] {
    possible = install(fates) >= 0;
    if (possible) action();
  });
  return possible;
}

bool with_watched_calls(std::initializer_list<long> calls,
                        const std::function<int(const WatchedCall&)>& look,
                        const std::function<void()>& action) {
  std::vector<std::pair<long, std::uint32_t>> fates;
  for (const long number : calls) fates.emplace_back(number, kWatch);
  std::promise<int> listening;
  std::atomic<bool> done = false;
  std::exception_ptr error;
  // What it starts inherits its filter: who answers must not be started by it.
  std::thread actor([&] {
    const int listener = install(fates);
    listening.set_value(listener);
    try {
      if (listener >= 0) action();
    } catch (...) {
      error = std::current_exception();
    }
    done = true;
  });
  const Fd listener(listening.get_future().get());
  if (listener) answer(listener.get(), look, done);
  actor.join();
  if (error) std::rethrow_exception(error);
  return static_cast<bool>(listener);
}

}  // namespace pgcairn::test
