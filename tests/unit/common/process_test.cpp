#include <pgcairn/common/process.hpp>

#include <catch2/catch.hpp>
#include <sys/wait.h>
#include <unistd.h>

using namespace pgcairn;

namespace {

/// A child that waits until it is let go; its identity as it says itself.
class Child {
 public:
  Child() {
    REQUIRE(::pipe(gate_) == 0);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
      ::close(gate_[1]);
      char byte = 0;
      const ssize_t ignored = ::read(gate_[0], &byte, 1);
      ::_exit(static_cast<int>(ignored));
    }
    ::close(gate_[0]);
  }
  ~Child() {
    if (pid_ > 0) end();
  }
  void end() {
    ::close(gate_[1]);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
  }
  std::uint64_t pid() const { return static_cast<std::uint64_t>(pid_); }

 private:
  int gate_[2] = {-1, -1};
  pid_t pid_ = -1;
};

}  // namespace

TEST_CASE("a process knows itself", "[process]") {
  const ProcessIdentity process = this_process();
  CHECK(process.pid == static_cast<std::uint64_t>(::getpid()));
  CHECK(process.started > 0);
  CHECK(process == this_process());
  CHECK_FALSE(has_ended(process));
}

TEST_CASE("a process has ended when its number is free, or another process's", "[process]") {
  ProcessIdentity process = this_process();
  Child child;
  process.pid = child.pid();
  // The child began later than this process, whose start time this is.
  const ProcessIdentity other_start{process.space, process.pid, process.started - 1};
  CHECK(has_ended(other_start));
  child.end();
  CHECK(has_ended(process));
}

TEST_CASE("what cannot be told is not taken for an end", "[process]") {
  const ProcessIdentity own = this_process();
  Child child;
  const std::uint64_t gone = child.pid();
  child.end();
  REQUIRE(has_ended({own.space, gone, 1}));
  CHECK_FALSE(has_ended({"", gone, 1}));                                // not known
  CHECK_FALSE(has_ended({"ffffffff" + own.space.substr(8), gone, 1}));  // another boot or machine
  CHECK_FALSE(has_ended({own.space + "0", gone, 1}));                   // another container
  CHECK_FALSE(has_ended({own.space, 0, 1}));
  CHECK_FALSE(has_ended({own.space, UINT64_MAX, 1}));
}
