#pragma once

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/sandbox.hpp>
#include <pgcairn/common/time.hpp>

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <sys/types.h>

namespace pgcairn {

/// What a child process is started with. No shell reads it.
struct ChildCommand {
  std::vector<std::string> words;        // the first is the path of the program
  std::vector<std::string> environment;  // "NAME=value"
  fs::path directory = "/";              // it works in
  fs::path output;                       // standard output and error are appended to this file
  int output_fd = -1;                    // or, when it is open already, to this one
  int death_signal = 15;                 // what it gets when this process ends, however that ends
  const Sandbox* sandbox = nullptr;      // what it lives in, as its process 1; it need not stay
  int kept_fd = -1;  // a descriptor that it holds while it lives, such as a lock
};

/// Namespaces are not to be had here: the kernel or its configuration forbids them.
class SandboxError : public SystemError {
  using SystemError::SystemError;
};

/// A child process, in a process group of its own, with default signals, nothing to read, and no
/// descriptor of ours but the one that is given to it. Start it from a thread that lives as long as
/// it may: the death signal is sent when that thread ends.
class Child {
 public:
  /// Throws SystemError when the program cannot be started, SandboxError when its sandbox cannot.
  explicit Child(const ChildCommand& command);
  /// Kills what still runs.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// Its exit status, 128 + the signal that ended it; nothing when it runs on after `timeout`.
  std::optional<int> wait(milliseconds timeout);

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

/// Runs a command to its end; its exit status. A stop ends it with SIGINT and throws Interrupted.
int run_child(const ChildCommand& command, std::stop_token stop);

}  // namespace pgcairn
