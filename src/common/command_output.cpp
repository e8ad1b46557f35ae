#include <pgcairn/common/command_output.hpp>
#include <pgcairn/common/error.hpp>
#include <pgcairn/common/text.hpp>

#include <cerrno>
#include <cstdio>

#include <sys/wait.h>

namespace pgcairn {

namespace {

constexpr int kCommandSeconds = 60;
constexpr int kTimedOut = 124;  // of timeout(1)

}  // namespace

std::size_t read_command_output(const std::string& command, std::string_view setting,
                                MutableBytes out) {
  const std::string limited =
      format("exec timeout {} sh -c {}", kCommandSeconds, shell_quote(command));
  std::FILE* const pipe = ::popen(limited.c_str(), "re");
  if (pipe == nullptr) throw SystemError(format("cannot run {}", setting), errno);
  std::setvbuf(pipe, nullptr, _IONBF, 0);  // no second copy of a secret
  std::size_t size = 0;
  while (const std::size_t count = std::fread(out.data() + size, 1, out.size() - size, pipe))
    size += count;
  const int status = ::pclose(pipe);
  if (status != 0) {
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    throw Error(format("the command of {} failed with status {}{}", setting, code,
                       code == kTimedOut ? ": it took too long" : ""),
                "run it by hand, as the user that pgcairn runs as");
  }
  return size;
}

}  // namespace pgcairn
