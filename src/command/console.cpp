#include "console.hpp"

#include <pgcairn/common/json.hpp>
#include <pgcairn/common/printable.hpp>
#include <pgcairn/common/text.hpp>

#include <cerrno>
#include <optional>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

namespace pgcairn::command {

namespace {

constexpr std::string_view kClearLine = "\r\x1b[K";

/// False with errno set when the bytes cannot be written.
bool write_fully(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// "2026-11-21 02:03:03.250+01".
std::string local_milliseconds(Timestamp when) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(when);
  const auto fraction = std::chrono::floor<milliseconds>(when - seconds).count();
  constexpr std::size_t zone_at = std::string_view("2026-11-21 02:03:03").size();
  return format_local(when).insert(zone_at, format(".{:03}", fraction));
}

std::string_view label_of(LogLevel level) {
  static constexpr std::string_view labels[] = {"ERROR ", "WARN  ", "INFO  ", "DETAIL", "DEBUG "};
  return labels[static_cast<std::size_t>(level)];
}

/// Cut so that it cannot wrap: a wrapped line is not overprinted.
std::string fitted(std::string text) {
  winsize size{};
  std::size_t columns = 80;
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1) columns = size.ws_col;
  if (text.size() >= columns) text.resize(columns - 1);
  return text;
}

}  // namespace

std::string as_utf8(std::string_view text) {
  // escape_bytes() alone would also change '%' and line breaks, which messages have of right.
  std::string clean;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find_first_of("%\n\t", start), text.size());
    clean += escape_bytes(text.substr(start, end - start));
    if (end < text.size()) clean += text[end];
    start = end + 1;
  }
  return clean;
}

std::string log_line(Form form, bool terminal, Timestamp when, LogLevel level,
                     std::string_view text) {
  if (form == Form::json) {
    JsonWriter json;
    json.begin_object();
    json.member("time", format_utc(when)).member("level", name_of(level));
    json.member("message", as_utf8(text));
    json.end_object();
    return json.take();
  }
  if (!terminal) return format("{} {} {}", local_milliseconds(when), label_of(level), text);
  if (level == LogLevel::info) return std::string(text);
  return format("{}: {}", level == LogLevel::warn ? "warning" : name_of(level), text);
}

std::string error_text(Form form, Timestamp when, const Error& error) {
  if (form == Form::text) return "error: " + error.render();
  JsonWriter json;
  json.begin_object();
  json.member("time", format_utc(when)).member("level", "error");
  json.member("message", as_utf8(error.message()));
  json.key("context").begin_array();
  for (const std::string& line : error.context()) json.value(as_utf8(line));
  json.end_array();
  json.member("hint", as_utf8(error.hint()));
  json.end_object();
  return json.take();
}

Console::Console(Form form) : Console(form, form == Form::text && ::isatty(STDERR_FILENO) == 1) {}

void Console::line(LogLevel level, std::string_view text) {
  std::lock_guard lock(mutex_);
  write(log_line(form_, terminal_, now(), level, text));
}

void Console::error(const Error& error) {
  std::lock_guard lock(mutex_);
  progress_.clear();
  write(error_text(form_, now(), error));
}

void Console::progress(std::string text) {
  if (!terminal_) return;
  std::lock_guard lock(mutex_);
  if (text.empty() && progress_.empty()) return;
  progress_ = fitted(printable_in_line(text));
  write_fully(STDERR_FILENO, std::string(kClearLine) + progress_);
}

void Console::write(std::string text) {
  text = printable(text) + '\n';
  // There is nobody left to tell when standard error itself fails.
  if (terminal_) text = std::string(kClearLine) + text + progress_;
  write_fully(STDERR_FILENO, text);
}

namespace {
std::optional<std::string> held;  // of the one thread that prints
}

void hold_output() {
  held.emplace();
}

void release_output(bool wanted) {
  const std::string text = std::exchange(held, std::nullopt).value_or("");
  if (wanted) print(text);
}

void print(std::string_view text) {
  if (held) {
    held->append(text);
    return;
  }
  try {
    print_bytes(printable(text));
  } catch (const ReaderGone&) {
    // Nobody is left to print for.
  }
}

void print_bytes(std::string_view bytes) {
  if (!write_fully(STDOUT_FILENO, bytes)) {
    if (errno == EPIPE) throw ReaderGone();
    throw SystemError("cannot write the result to standard output", errno);
  }
}

}  // namespace pgcairn::command
