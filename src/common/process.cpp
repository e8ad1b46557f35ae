#include <pgcairn/common/error.hpp>
#include <pgcairn/common/file.hpp>
#include <pgcairn/common/process.hpp>
#include <pgcairn/common/text.hpp>

#include <array>
#include <cerrno>
#include <optional>

#include <signal.h>
#include <unistd.h>

namespace pgcairn {

namespace {

/// Empty where /proc does not tell.
std::string text_of(const fs::path& path) {
  try {
    const auto content = read_file_if_exists(path);
    return content ? std::string(as_text(*content)) : std::string();
  } catch (const SystemError&) {
    return {};
  }
}

std::string link_of(const fs::path& path) {
  std::error_code failed;
  const fs::path target = fs::read_symlink(path, failed);
  return failed ? std::string() : target.native();
}

/// The identifier of the boot keeps machines apart, and a machine from itself before a reboot; the
/// namespace of process numbers keeps containers apart. Start times are counted in a namespace too.
std::string current_space() {
  std::string boot = text_of("/proc/sys/kernel/random/boot_id");
  const std::string numbers = link_of("/proc/self/ns/pid");
  if (boot.empty() || numbers.empty()) return {};
  if (boot.ends_with('\n')) boot.pop_back();
  return format("{} {} {}", boot, numbers, link_of("/proc/self/ns/time"));
}

/// Field 22 of /proc/PID/stat. The second field is a name in parentheses and may hold anything.
std::optional<std::uint64_t> start_of(std::uint64_t pid) {
  const std::string stat = text_of(format("/proc/{}/stat", pid));
  const std::size_t name_end = stat.rfind(") ");
  if (name_end == std::string::npos) return std::nullopt;
  const auto fields = split(std::string_view(stat).substr(name_end + 2), ' ');
  constexpr std::size_t start_field = 22 - 3;  // the first one here is field 3
  if (fields.size() <= start_field) return std::nullopt;
  return parse_u64(fields[start_field]);
}

}  // namespace

ProcessIdentity this_process() {
  const auto pid = static_cast<std::uint64_t>(::getpid());
  const auto started = start_of(pid);
  return {started ? current_space() : std::string(), pid, started.value_or(0)};
}

bool has_ended(const ProcessIdentity& process) {
  if (process.space.empty() || process.space != current_space()) return false;
  if (process.pid == 0 || process.pid > static_cast<std::uint64_t>(INT32_MAX)) return false;
  if (::kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH) return true;
  const auto started = start_of(process.pid);
  return started && *started != process.started;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

}  // namespace pgcairn
