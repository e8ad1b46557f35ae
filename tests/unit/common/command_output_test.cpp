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
