#include "signals.hpp"

#include <pgcairn/common/error.hpp>

#include <cerrno>
#include <csignal>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace pgcairn::command {

namespace {

constexpr int kNoTimeout = -1;

Fd checked(int fd, const char* operation) {
  if (fd < 0) throw SystemError(operation, errno);
  return Fd(fd);
}

}  // namespace

SignalWatch::SignalWatch(std::function<int(int)> hasty_code, std::chrono::milliseconds grace)
    : hasty_code_(std::move(hasty_code)), grace_(grace) {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    // nohup and "&" in a script hand a signal down as ignored: it stays so.
    struct sigaction inherited {};
    sigaction(signal, nullptr, &inherited);
    if (inherited.sa_handler != SIG_IGN) sigaddset(&set, signal);
  }
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = checked(::signalfd(-1, &set, SFD_CLOEXEC), "cannot watch for signals");
  end_ = checked(::eventfd(0, EFD_CLOEXEC), "cannot watch for signals");
  thread_ = std::jthread([this] { watch(); });
}

SignalWatch::~SignalWatch() {
  const std::uint64_t one = 1;
  // An eventfd at zero takes a one: this cannot fail.
  [[maybe_unused]] const ssize_t written = ::write(end_.get(), &one, sizeof one);
}

void SignalWatch::watch() {
  pollfd watched[] = {{signals_.get(), POLLIN, 0}, {end_.get(), POLLIN, 0}};
  int timeout_ms = kNoTimeout;
  for (;;) {
    const int ready = ::poll(watched, std::size(watched), timeout_ms);
    if (ready < 0) continue;  // only EINTR is possible
    if (ready == 0) ::_exit(hasty_code_(received_));
    if (watched[1].revents != 0) return;
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) != sizeof info) continue;
    const int signal = static_cast<int>(info.ssi_signo);
    if (received_ != 0) ::_exit(hasty_code_(signal));
    received_ = signal;
    stop_.request_stop();
    if (grace_.count() != 0) timeout_ms = static_cast<int>(grace_.count());
  }
}

}  // namespace pgcairn::command
