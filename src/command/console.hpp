#pragma once

#include "form.hpp"

#include <pgcairn/common/error.hpp>
#include <pgcairn/common/log.hpp>
#include <pgcairn/common/time.hpp>

#include <mutex>
#include <string>
#include <string_view>

namespace pgcairn::command {

/// A log line as it is written, without the line break at its end.
/// On a pipe: "2026-11-21 02:41:07.123 INFO  text", in the machine's zone; on a terminal the text
/// alone, or "warning: text".
std::string log_line(Form form, bool terminal, Timestamp when, LogLevel level,
                     std::string_view text);
/// "error: ...", with context and hint on lines of their own; JSON: one object.
std::string error_text(Form form, Timestamp when, const Error& error);

/// Standard error: the log, errors, and on a terminal one line of progress below them. Each line
/// goes out in one write, so that processes which share a log do not mix theirs. Safe to call from
/// many threads.
class Console {
 public:
  Console(Form form, bool terminal) : form_(form), terminal_(terminal) {}
  /// Text or JSON as the form says, a terminal when standard error is one and the form is text.
  explicit Console(Form form);

  bool terminal() const { return terminal_; }
  void line(LogLevel level, std::string_view text);
  void error(const Error& error);
  /// Replaces the line of progress; empty: takes it away. Does nothing on a pipe.
  void progress(std::string text);

 private:
  void write(std::string text);  // with mutex_ held

  Form form_;
  bool terminal_;
  std::mutex mutex_;
  std::string progress_;
};

/// Writes text or JSON to standard output, all of it, or throws SystemError: a result that is lost
/// in a full disk is a failure. No control character leaves the program: see printable(). A reader
/// that went away, as `| head` does, has read what it wanted; the work goes on.
void print(std::string_view text);
/// From here on, print() keeps its text until release_output().
void hold_output();
/// Writes what was kept, if it is `wanted`, and ends that.
void release_output(bool wanted);

/// The reader of standard output went away. Not an Error: it has what it wanted.
class ReaderGone {};
/// The same for bytes that are to arrive as they are, and that are the only work. Throws
/// ReaderGone.
void print_bytes(std::string_view bytes);

/// `text` with what is not UTF-8 written as %XX, for JSON.
std::string as_utf8(std::string_view text);

}  // namespace pgcairn::command
