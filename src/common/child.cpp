#include <pgcairn/common/child.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace pgcairn {

namespace {

constexpr milliseconds kPause{20};
constexpr milliseconds kPatience{10'000};

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> found;
  for (const std::string& text : texts) found.push_back(const_cast<char*>(text.c_str()));
  found.push_back(nullptr);
  return found;
}

struct Failure {
  int error = 0;
  int step = -1;  // of the sandbox
};

/// Is somebody there to read what is written to `fd`? Process numbers do not tell in a sandbox.
bool is_read(int fd) {
  struct pollfd one {
    fd, POLLOUT, 0
  };
  return ::poll(&one, 1, 0) >= 0 && (one.revents & POLLERR) == 0;
}

/// Between fork() and exec() of a process with threads only what signal handlers may do is allowed.
/// Writes a Failure to `errors` when it fails.
[[noreturn]] void become(const ChildCommand& command, char* const* words, char* const* environment,
                         int output, int errors) {
  sigset_t none;
  sigemptyset(&none);
  // What is ignored stays so through exec(): by us, or by the program that started us (nohup).
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  Failure failure;
  if (command.sandbox != nullptr) failure.step = command.sandbox->enter();
  const int nothing = failure.step < 0 ? ::open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
  const bool ready = nothing >= 0 && ::prctl(PR_SET_PDEATHSIG, command.death_signal) == 0 &&
                     is_read(errors) && ::setpgid(0, 0) == 0 &&
                     ::chdir(command.directory.c_str()) == 0 && ::dup2(nothing, 0) == 0 &&
                     ::dup2(output, 1) == 1 && ::dup2(output, 2) == 2 &&
                     ::sigprocmask(SIG_SETMASK, &none, nullptr) == 0;
  if (ready) {
    // Ours close by themselves; what we were started with may not. An old kernel cannot do it.
    ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    if (command.kept_fd >= 0) ::fcntl(command.kept_fd, F_SETFD, 0);
    ::execve(words[0], words, environment);
  }
  failure.error = errno;
  [[maybe_unused]] const ssize_t told = ::write(errors, &failure, sizeof failure);
  ::_exit(127);
}

pid_t fork_into(const Sandbox* sandbox) {
  if (sandbox == nullptr) return ::fork();
  // As fork() without its handlers, which the child does not need before exec().
  return static_cast<pid_t>(::syscall(SYS_clone, Sandbox::clone_flags() | SIGCHLD, 0, 0, 0, 0));
}

}  // namespace

Child::Child(const ChildCommand& command) {
  const std::vector<char*> words = pointers(command.words);
  const std::vector<char*> environment = pointers(command.environment);
  const Fd output = command.output_fd >= 0
                        ? Fd()
                        : open_file(command.output, O_WRONLY | O_CREAT | O_APPEND, 0600);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw SystemError("cannot make a pipe", errno);
  const Fd told(ends[0]);
  Fd errors(ends[1]);
  pid_ = fork_into(command.sandbox);
  if (pid_ < 0 && command.sandbox != nullptr) throw SandboxError("cannot make namespaces", errno);
  if (pid_ < 0) throw SystemError(format("cannot start \"{}\"", command.words[0]), errno);
  if (pid_ == 0) {
    ::close(told.get());  // so that its last reader is the parent
    become(command, words.data(), environment.data(),
           command.output_fd >= 0 ? command.output_fd : output.get(), errors.get());
  }
  errors = Fd();  // the last one closes with exec(), so that the read ends
  Failure failure;
  if (::read(told.get(), &failure, sizeof failure) != sizeof failure) return;
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
  if (failure.step >= 0) {
    throw SandboxError(
        format("cannot set up namespaces, at {}", command.sandbox->name_of_step(failure.step)),
        failure.error);
  }
  throw SystemError(format("cannot start \"{}\"", command.words[0]), failure.error);
}

Child::~Child() {
  if (pid_ < 0 || status_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Child::signal(int number) const {
  if (pid_ > 0 && !status_) ::kill(pid_, number);
}

std::optional<int> Child::wait(milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!status_) {
    int status = 0;
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended < 0 && errno != EINTR) throw SystemError("cannot wait for a process", errno);
    if (ended == pid_) status_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (status_ || std::chrono::steady_clock::now() >= deadline) break;
    std::this_thread::sleep_for(std::min(kPause, timeout));
  }
  return status_;
}

int run_child(const ChildCommand& command, std::stop_token stop) {
  Child child(command);
  for (;;) {
    if (const auto status = child.wait(kPause)) return *status;
    if (!stop.stop_requested()) continue;
    child.signal(SIGINT);
    child.wait(kPatience);
    throw Interrupted();
  }
}

}  // namespace pgcairn
