#include "support/says.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>

#include <cerrno>

#include <catch2/catch.hpp>

using namespace pgcairn;

TEST_CASE("an error is rendered as message, context from inside out, hint") {
  const auto fail = [] {
    doing([] { return std::string("backing up stanza \"main\""); },
          [] {
            doing([] { return std::string("storing pack 3"); },
                  [] {
                    throw SystemError("cannot write \"main/pack/3\"", ENOSPC, "free some space");
                  });
          });
  };
  CHECK(test::error_of(fail) ==
        "cannot write \"main/pack/3\": No space left on device\n"
        "  while storing pack 3\n"
        "  while backing up stanza \"main\"\n"
        "  hint: free some space");
  CHECK_THROWS_AS(fail(), SystemError);
}

TEST_CASE("doing() describes only what fails, and gives values and references back") {
  int described = 0;
  const auto describe = [&] {
    ++described;
    return std::string("trying");
  };
  int number = 1;
  int& same = doing(describe, [&]() -> int& { return number; });
  CHECK(&same == &number);
  CHECK(doing(describe, [] { return 7; }) == 7);
  CHECK_THROWS_AS(doing(describe, [] { throw Interrupted(); }), Interrupted);
  CHECK(described == 0);
  CHECK_THROWS_AS(doing(describe, [] { throw Error("x"); }), Error);
  CHECK(described == 1);
}

TEST_CASE("damage names object and offset") {
  const DamagedError error("main/pack/3", 4096, "the check does not match");
  CHECK(error.object() == "main/pack/3");
  CHECK(error.offset() == 4096);
  CHECK(error.render() == "damaged \"main/pack/3\" at offset 4096: the check does not match");
}

TEST_CASE("the log passes lines up to its level") {
  std::vector<std::string> lines;
  set_log(LogLevel::info, [&](LogLevel level, std::string_view line) {
    lines.push_back(std::string(name_of(level)) + ": " + std::string(line));
  });
  log(LogLevel::error, "a");
  log_warn("b");
  log_info("c");
  log_detail("d");
  log_debug("e");
  CHECK(log_enabled(LogLevel::info));
  CHECK_FALSE(log_enabled(LogLevel::detail));
  set_log(LogLevel::warn, {});
  log_warn("nobody listens");
  CHECK(lines == std::vector<std::string>{"error: a", "warn: b", "info: c"});
}
