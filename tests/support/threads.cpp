#include "support/threads.hpp"

#include <pgcairn/common/error.hpp>

#include <cerrno>
#include <cstddef>
#include <thread>
#include <vector>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
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

bool install(std::initializer_list<FailingCall> calls) {
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
  for (const auto& [number, error_number] : calls) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1));
    filter.push_back(
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error_number)));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  return architecture != 0 && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

bool with_failing_calls(std::initializer_list<FailingCall> calls,
                        const std::function<void()>& action) {
  bool possible = false;
  on_own_thread([&] {
    possible = install(calls);
    if (possible) action();
  });
  return possible;
}

}  // namespace pgcairn::test
