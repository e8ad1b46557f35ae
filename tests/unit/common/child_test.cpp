#include "support/temp_dir.hpp"

#include <pgcairn/common/child.hpp>
#include <pgcairn/common/error.hpp>

#include <csignal>
#include <thread>

#include <catch2/catch.hpp>

using namespace pgcairn;
using namespace pgcairn::test;

namespace {

ChildCommand shell(const TempDir& home, const std::string& script) {
  ChildCommand command;
  command.words = {"/bin/sh", "-c", script};
  command.environment = {"PATH=/usr/bin:/bin", "WORD=of ours"};
  command.directory = home.path();
  command.output = home / "said";
  return command;
}

std::string said(const TempDir& home) {
  return std::string(as_text(read_file(home / "said")));
}

constexpr milliseconds kEnough{20'000};

}  // namespace

TEST_CASE("a child tells its status, and what it says goes to a file") {
  const TempDir home;
  CHECK(run_child(shell(home, "pwd -P; echo \"$WORD\"; echo wrong >&2; exit 7"), {}) == 7);
  CHECK(said(home) == fs::canonical(home.path()).native() + "\nof ours\nwrong\n");
  CHECK(run_child(shell(home, "kill -9 $$"), {}) == 128 + SIGKILL);
}

TEST_CASE("words reach a program as they are") {
  const TempDir home;
  ChildCommand command = shell(home, "");
  command.words = {"/usr/bin/printf", "%s|", "a b", "$HOME;'\"", ""};
  CHECK(run_child(command, {}) == 0);
  CHECK(said(home) == "a b|$HOME;'\"||");
}

TEST_CASE("a program that is not there is an error of whoever starts it") {
  const TempDir home;
  ChildCommand command = shell(home, "");
  command.words[0] = "/nonexistent/program";
  CHECK_THROWS_AS(run_child(command, {}), SystemError);
}

TEST_CASE("a child has nothing of ours: signals, descriptors, process group") {
  const TempDir home;
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  const auto hangup = ::signal(SIGHUP, SIG_IGN);  // as nohup does
  CHECK(run_child(shell(home,
                        "grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | wc -l; "
                        "cut -d' ' -f5 /proc/$$/stat | grep -c \"^$$\\$\"; cat"),
                  {}) == 0);
  ::signal(SIGHUP, hangup);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  // 0, 1, 2 and that of the folder that ls reads.
  CHECK(said(home) == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n4\n1\n");
}

TEST_CASE("a stop ends a child, and so does its owner's end") {
  const TempDir home;
  std::stop_source stop;
  std::jthread stopper([&] {
    while (!fs::exists(home / "said")) std::this_thread::yield();
    stop.request_stop();
  });
  CHECK_THROWS_AS(run_child(shell(home, "exec sleep 1000"), stop.get_token()), Interrupted);
  pid_t pid = 0;
  {
    Child child(shell(home, "exec sleep 1000"));
    pid = child.pid();
    CHECK_FALSE(child.wait(milliseconds(1)).has_value());
  }
  CHECK(::kill(pid, 0) != 0);
  Child child(shell(home, "exec sleep 1000"));
  child.signal(SIGTERM);
  CHECK(child.wait(kEnough) == 128 + SIGTERM);
  CHECK(child.wait(kEnough) == 128 + SIGTERM);
}
