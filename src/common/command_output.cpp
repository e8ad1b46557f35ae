#include <pgcairn/common/command_output.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

namespace pgcairn {

namespace {

using Steady = std::chrono::steady_clock;

constexpr milliseconds kPause{5};
constexpr milliseconds kLookPause{50};

/// The terminal, lent to the process group of a command that asks something at it.
class TerminalLoan {
 public:
  TerminalLoan() = default;
  ~TerminalLoan() { take_back(); }
  TerminalLoan(const TerminalLoan&) = delete;
  TerminalLoan& operator=(const TerminalLoan&) = delete;

  bool is_lent() const { return group_ > 0; }

  /// False when there is no terminal, or we are in the background ourselves.
  bool lend(pid_t group) {
    if (terminal_.get() < 0) terminal_ = Fd(::open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY));
    if (terminal_.get() < 0 || ::tcgetpgrp(terminal_.get()) != ::getpgrp()) return false;
    group_ = group;
    return give_to(group);
  }

  void take_back() {
    if (!is_lent()) return;
    const pid_t there = ::tcgetpgrp(terminal_.get());
    const bool nobody = there > 0 && ::kill(-there, 0) != 0 && errno == ESRCH;
    // Our own shell may have it by now.
    if (there == group_ || nobody) give_to(::getpgrp());
    group_ = -1;
    // A pager at the end of our pipe, if it was stopped meanwhile.
    ::kill(0, SIGCONT);
  }

 private:
  /// In the background this stops who does not block the signal.
  bool give_to(pid_t group) const {
    sigset_t background;
    sigset_t before;
    sigemptyset(&background);
    sigaddset(&background, SIGTTOU);
    ::pthread_sigmask(SIG_BLOCK, &background, &before);
    const bool given = ::tcsetpgrp(terminal_.get(), group) == 0;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return given;
  }

  Fd terminal_;
  pid_t group_ = -1;
};

/// A shell with a process group of its own, so that all that it started can be ended with it.
class ShellCommand {
 public:
  ShellCommand(const std::string& command, Steady::time_point deadline) : deadline_(deadline) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw SystemError("cannot make a pipe", errno);
    output_ = Fd(ends[0]);
    const Fd printed(ends[1]);
    pid_ = ::fork();
    if (pid_ < 0) throw SystemError("cannot start a shell", errno);
    if (pid_ == 0) become(command.c_str(), printed.get());
    ::setpgid(pid_, pid_);  // parent and child do it, and one is first
  }
  ~ShellCommand() { end(); }
  ShellCommand(const ShellCommand&) = delete;
  ShellCommand& operator=(const ShellCommand&) = delete;

  /// Until `out` is full or nobody can print more; nothing when time is up.
  std::optional<std::size_t> read(MutableBytes out) {
    std::size_t size = 0;
    while (size < out.size()) {
      const auto left = std::chrono::ceil<milliseconds>(deadline_ - Steady::now());
      if (left.count() <= 0) return std::nullopt;
      pollfd watched{output_.get(), POLLIN, 0};
      const milliseconds pause = std::min(left, kLookPause);
      if (::poll(&watched, 1, static_cast<int>(pause.count())) <= 0) {
        let_ask();
        continue;
      }
      const ssize_t count = ::read(output_.get(), out.data() + size, out.size() - size);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      size += static_cast<std::size_t>(count);
    }
    output_ = Fd();
    return size;
  }

  /// What waitpid() tells; nothing when time is up.
  std::optional<int> wait() {
    for (;;) {
      int status = 0;
      const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
      if (ended < 0 && errno != EINTR) throw SystemError("cannot wait for a process", errno);
      if (ended == pid_) {
        pid_ = -1;
        // Ctrl-C went to the command instead of us and those that we run with.
        if (terminal_.is_lent() && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) {
          ::kill(0, SIGINT);
          throw Interrupted();
        }
        return status;
      }
      let_ask();
      if (Steady::now() >= deadline_) return std::nullopt;
      std::this_thread::sleep_for(kPause);
    }
  }

 private:
  /// Between fork() and exec() of a process with threads only what signal handlers may do is
  /// allowed.
  [[noreturn]] static void become(const char* command, int output) {
    sigset_t none;
    sigemptyset(&none);
    // What is ignored stays so through exec().
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (::dup2(output, 1) == 1)
      ::execl("/bin/sh", "sh", "-c", command, static_cast<char*>(nullptr));
    ::_exit(127);
  }

  /// Being in a group of its own, the command is stopped when it uses the terminal. Most never do,
  /// and to lend it to them would stop a pager that we are piped into.
  void let_ask() {
    siginfo_t change{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &change, WSTOPPED | WNOHANG) == 0 &&
        change.si_pid == pid_) {
      const int by = change.si_status;
      asks_ = by == SIGTTIN || by == SIGTTOU || by == SIGTSTP;
      if (by == SIGTSTP && terminal_.is_lent()) {  // Ctrl-Z: it was meant for us, too
        terminal_.take_back();
        ::kill(0, SIGTSTP);
      }
    }
    if (!asks_ || !terminal_.lend(pid_)) return;
    asks_ = false;
    ::kill(-pid_, SIGCONT);
  }

  /// The group is still the shell's: it was not waited for.
  void end() {
    if (pid_ < 0) return;
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  TerminalLoan terminal_;  // is back after the command has ended
  Steady::time_point deadline_;
  Fd output_;
  pid_t pid_ = -1;
  bool asks_ = false;  // something at the terminal, which it does not have
};

}  // namespace

std::size_t read_command_output(const std::string& command, std::string_view setting,
                                MutableBytes out, milliseconds limit) {
  const std::string hint = "run it by hand, as the user that pgcairn runs as";
  ShellCommand shell(command, Steady::now() + limit);
  const auto size = shell.read(out);
  const auto status = size ? shell.wait() : std::nullopt;
  if (!status) {
    throw Error(format("the command of {} took longer than {} and was stopped", setting,
                       format_duration(limit)),
                hint);
  }
  if (*status != 0) {
    const int code = WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
    throw Error(format("the command of {} failed with status {}", setting, code), hint);
  }
  return *size;
}

}  // namespace pgcairn
