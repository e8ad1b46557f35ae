#include "support/says.hpp"
#include "support/temp_dir.hpp"

#include <pgcairn/common/command_output.hpp>
#include <pgcairn/common/error.hpp>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include <catch2/catch.hpp>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace pgcairn;
using namespace pgcairn::test;
using namespace std::chrono_literals;

namespace {

std::string output_of(const std::string& command, milliseconds limit = milliseconds(60'000)) {
  std::array<std::byte, 64> out{};
  const std::size_t size = read_command_output(command, "key-command", out, limit);
  return std::string(as_text(Bytes(out).first(size)));
}

/// Whether a process of the group lives: not one that only waits for init to take note of its end.
bool lives(pid_t group) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "stat");
    std::string text;
    if (!std::getline(file, text)) continue;
    std::istringstream rest(text.substr(text.rfind(')') + 1));
    char state = 0;
    pid_t parent = 0;
    pid_t its_group = 0;
    rest >> state >> parent >> its_group;
    if (its_group == group && state != 'Z' && state != 'X') return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a command's output is what it prints") {
  CHECK(output_of("printf 'a b'; printf c") == "a bc");
  CHECK(output_of("true").empty());
  CHECK(output_of("head -c 64 /dev/zero | tr '\\0' x").size() == 64);
  CHECK_THAT(error_of([] { output_of("exit 7"); }), Says({"key-command", "status 7"}));
  CHECK_THAT(error_of([] { output_of("kill -9 $$"); }), Says({"status 137"}));
}

TEST_CASE(
    "a command that takes too long is ended with all that it started, whatever shell it is in") {
  for (const std::string shell : {"sh", "bash"}) {
    for (const std::string how :
         {"sleep 1000 & sleep 1000 & wait; true", "trap \"\" TERM HUP INT; sleep 1000; true",
          "exec >&-; sleep 1000; true", "(sleep 1000 &) ; echo key"}) {
      const TempDir directory;
      const std::string pid_file = (directory / "pid").string();
      // exec keeps the number of the process, which is that of its group.
      const std::string command = "exec " + shell + " -c 'echo $$ > " + pid_file + "; " + how + "'";
      INFO(command);
      CHECK_THAT(error_of([&] { output_of(command, 500ms); }),
                 Says({"key-command", "longer than"}));
      pid_t group = 0;
      std::ifstream(pid_file) >> group;
      if (group == 0) continue;  // it was ended before it could say that
      for (int i = 0; i < 500 && lives(group); ++i) std::this_thread::sleep_for(10ms);
      CHECK_FALSE(lives(group));
    }
  }
}

TEST_CASE("a command has the signals of a fresh process, whatever we ignore") {
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  CHECK_THAT(error_of([] { output_of("kill -PIPE $$; echo on"); }), Says({"status 141"}));
  ::signal(SIGPIPE, before);
}

namespace {

/// A process at a terminal of its own, where a person types `keys` when asked for a "pin: ".
class AtTerminal {
 public:
  AtTerminal(const std::string& command, const std::string& keys, milliseconds limit) {
    int terminal = -1;
    const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    REQUIRE(child >= 0);
    if (child == 0) run(command, limit);
    bool typed = false;
    std::array<char, 256> some{};
    // The last of its output, or nothing for long: a child that does not end is ended by the
    // hangup.
    for (;;) {
      pollfd one{terminal, POLLIN, 0};
      if (::poll(&one, 1, 30'000) <= 0) break;
      const ssize_t count = ::read(terminal, some.data(), some.size());
      if (count <= 0) break;
      screen.append(some.data(), static_cast<std::size_t>(count));
      if (typed || screen.find("pin: ") == std::string::npos) continue;
      typed = true;
      CHECK(::write(terminal, keys.data(), keys.size()) == static_cast<ssize_t>(keys.size()));
    }
    ::close(terminal);
    ::waitpid(child, &status, 0);
  }

  std::string screen;
  int status = -1;

 private:
  [[noreturn]] static void run(const std::string& command, milliseconds limit) {
    for (const int number : {SIGINT, SIGHUP}) ::signal(number, SIG_DFL);
    std::string said;
    try {
      said = "output: " + output_of(command, limit);
    } catch (const Error& error) {
      said = "error: " + error.message();
    } catch (...) {
      said = "interrupted";
    }
    said += ::tcgetpgrp(0) == ::getpgrp() ? ", terminal is back" : ", terminal is gone";
    [[maybe_unused]] const ssize_t written = ::write(1, said.data(), said.size());
    ::_exit(0);
  }
};

}  // namespace

TEST_CASE("a command asks at the terminal, which is ours again when it has ended") {
  const std::string ask = "printf 'pin: ' >/dev/tty; read -r pin </dev/tty; ";
  const std::string quietly = "stty -echo </dev/tty; " + ask + "stty echo </dev/tty; ";
  for (const std::string& command :
       {ask + "echo $pin | tr 1 9", quietly + "echo $pin | tr 1 9",
        "(" + ask + "echo $pin) | tr 1 9", "exec 2>/dev/tty; " + ask + "echo $pin | tr 1 9"}) {
    INFO(command);
    const AtTerminal person(command, "1234\n", 60'000ms);
    CHECK_THAT(person.screen, Says({"output: 9234", "terminal is back"}));
  }
  // However it ends.
  CHECK_THAT(AtTerminal(ask + "exit 7", "1234\n", 60'000ms).screen,
             Says({"status 7", "terminal is back"}));
  CHECK_THAT(AtTerminal(ask + "kill -9 $$", "1234\n", 60'000ms).screen,
             Says({"status 137", "terminal is back"}));
  CHECK_THAT(AtTerminal(ask, "12", 1000ms).screen, Says({"took longer", "terminal is back"}));
  CHECK_THAT(AtTerminal("echo key", "", 60'000ms).screen, Says({"output: key", "is back"}));
}

TEST_CASE("Ctrl-C at a command's question ends us, too") {
  const AtTerminal person("printf 'pin: ' >/dev/tty; read -r pin </dev/tty", "\x03", 60'000ms);
  INFO(person.screen);
  CHECK(WIFSIGNALED(person.status));
  CHECK(WTERMSIG(person.status) == SIGINT);
}
